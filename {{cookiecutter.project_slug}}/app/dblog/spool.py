"""The reading side of the journals: in order, from where the last commit left off, of the living and of the dead.

A lock that is free tells that its process is dead; whoever takes it adopts the journal, and no one else can.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from .event import VERSION

if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(fd: int) -> None:
        # flock and not lockf: that one is lost as soon as any descriptor of the file is closed.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


STATE_BYTES = 2_048
QUARANTINE = "quarantine.ndjson"
DAMAGED = "damaged line in the journal"
# Anything else in the folder is left alone.
_OURS = re.compile(r"([0-9a-f]{16})\.(?:lock|(\d{6,})\.jsonl)")

Event = dict[str, Any]


@dataclass
class State:
    """How far a journal has been shipped, and what went wrong with it: records lost, by reason, and those reported."""

    segment: int = 1
    offset: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    reported: Counter[str] = field(default_factory=Counter)
    error: str | None = None

    def __post_init__(self) -> None:
        self.dropped, self.reported = Counter(self.dropped), Counter(self.reported)

    @property
    def reached(self) -> tuple[int, int]:
        return self.segment, self.offset

    def unreported(self) -> Counter[str]:
        """The losses that no row in the log tells of yet."""
        # Other threads count meanwhile; copy() is one step.
        return self.dropped.copy() - self.reported


def segment_path(folder: Path, name: str, segment: int) -> Path:
    return folder / f"{name}.{segment:06d}.jsonl"


def read_state(folder: Path, name: str) -> State:
    """The state of a journal; where it is missing or damaged, all that is still there is new: rows are recognised."""
    try:
        line, _, _ = (folder / f"{name}.state").read_bytes().partition(b"\n")
        return State(**orjson.loads(line))
    except (OSError, TypeError, ValueError):
        return State(segment=min(journals(folder).get(name, ()), default=1))


def write_state(folder: Path, name: str, state: State) -> None:
    """Overwrite the state in place, which works on a full disk too; raises OSError."""
    fd = os.open(folder / f"{name}.state", os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    with open(fd, "wb", buffering=0) as file:
        file.write(orjson.dumps(state).ljust(STATE_BYTES - 1) + b"\n")


def lock_file(folder: Path, name: str) -> int:
    """A descriptor that holds the journal's lock for as long as it is open; -1 if somebody else holds it."""
    path = folder / f"{name}.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(fd)
        # Its last holder may have removed the file between our two calls.
        if os.path.samestat(os.fstat(fd), os.stat(path)):
            return fd
    except OSError:
        pass
    os.close(fd)
    return -1


def journals(folder: Path) -> dict[str, dict[int, Path]]:
    """The folder's journals by name, each with its segments by number."""
    found: dict[str, dict[int, Path]] = {}
    for path in folder.glob("*.*"):
        if ours := _OURS.fullmatch(path.name):
            segments = found.setdefault(ours[1], {})
            if ours[2]:
                segments[int(ours[2])] = path
    return found


def unshipped(folder: Path) -> Iterator[tuple[Path, int]]:
    """The segments that are not all in the database, each with the offset from which on it is not."""
    for name, segments in journals(folder).items():
        state = read_state(folder, name)
        for number, path in segments.items():
            if number >= state.segment:
                yield path, state.offset if number == state.segment else 0


def pending_bytes(folder: Path) -> int:
    """Bytes in the folder's journals that are not in the database yet."""
    total = 0
    for path, offset in unshipped(folder):
        with suppress(FileNotFoundError):
            total += path.stat().st_size - offset
    return total


class Reader:
    """Reads one journal.

    :param state: how far it has been read, kept up to date
    :param lock: the descriptor of the lock, where the journal is adopted from a dead process
    """

    def __init__(self, folder: Path, name: str, state: State, lock: int = -1) -> None:
        self.folder = folder
        self.name = name
        self.state = state
        self.adopted = lock >= 0
        #: Whether some of what comes next may be in the database already.
        self.replay = self.adopted
        self._lock = lock
        self.rewind()

    def rewind(self) -> None:
        """Go back to what the database is known to have."""
        self.segment, self.offset = self.state.reached
        self._torn = 0

    def read(self, limit: int) -> list[tuple[str, Event]]:
        """The next lines, at most ``limit``, each with its event id; none at the end. Damaged ones are only counted."""
        while True:
            # In this order: when the next segment is there, the last write to this one is over.
            finished = segment_path(self.folder, self.name, self.segment + 1).exists()
            before = self.offset
            events = self._read_segment(limit, finished or self.adopted)
            if events:
                return events
            if self.offset == before:
                if not finished:
                    return []
                self.segment, self.offset = self.segment + 1, 0

    def _read_segment(self, limit: int, over: bool) -> list[tuple[str, Event]]:
        """Lines of this segment; one without an end is left for later, unless the writing is over."""
        events = []
        path, prefix = segment_path(self.folder, self.name, self.segment), f"{self.name}-{self.segment:06d}"
        with suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(self.offset)
            for line in islice(file, limit):
                if not (over or line.endswith(b"\n")):
                    break
                if (event := parse(line)) is not None:
                    events.append((f"{prefix}-{self.offset:010d}", event))
                elif line != b"\n":
                    self._torn += 1
                self.offset += len(line)
        return events

    def acknowledge(self) -> None:
        """All that was read is in the database: remember that, and remove the segments that are done with."""
        if (self.segment, self.offset) == self.state.reached:
            return
        finished = range(self.state.segment, self.segment)
        self.state.segment, self.state.offset = self.segment, self.offset
        if self._torn:
            self.state.dropped[DAMAGED] += self._torn
        self._torn = 0
        self.replay = self.adopted
        self.save()
        for segment in finished:
            segment_path(self.folder, self.name, segment).unlink(missing_ok=True)

    def save(self) -> None:
        try:
            write_state(self.folder, self.name, self.state)
        except OSError:
            # An old state only means that some rows are offered, and recognised, again.
            self.replay = True

    def remove(self) -> None:
        """Delete a journal that has been shipped to its end; the lock goes last."""
        for path in journals(self.folder).get(self.name, {}).values():
            path.unlink(missing_ok=True)
        (self.folder / f"{self.name}.state").unlink(missing_ok=True)
        if os.name == "nt":
            self.close()
        (self.folder / f"{self.name}.lock").unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def parse(line: bytes) -> Event | None:
    """A line as an event, or None where it is none of this version's."""
    try:
        event = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("v") != VERSION or not isinstance(event.get("time"), (int, float)):
        return None
    return event


def adopt(folder: Path) -> Reader | None:
    """A reader of some journal whose process is dead; it keeps the lock until it is closed."""
    for name in journals(folder):
        with suppress(OSError):
            lock = lock_file(folder, name)
            if lock >= 0:
                state = read_state(folder, name)
                # Where it could not be saved any more, or not before power was lost, it may name what is removed.
                first = min(journals(folder).get(name, ()), default=1)
                if state.segment < first:
                    state.segment, state.offset = first, 0
                return Reader(folder, name, state, lock)
    return None


def quarantine(folder: Path, event_id: str, event: Event, reason: str) -> None:
    """Keep a record that no database takes, with the reason, for a person to look at; raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(folder / QUARANTINE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open(fd, "ab", buffering=0) as file:
        file.write(orjson.dumps({"event_id": event_id, "reason": reason, "record": event}) + b"\n")
