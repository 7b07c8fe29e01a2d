"""The reading side of the journals: in order, from where the last commit left off, of the living and of the dead.

A lock that is free tells that its process is dead; whoever takes it adopts the journal, and no one else can.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
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


READ_BYTES = 256 * 1024
STATE_BYTES = 2_048
QUARANTINE = "quarantine.ndjson"
DAMAGED = "damaged line in the journal"
# Anything else in the folder is left alone.
_OURS = re.compile(r"([0-9a-f]{16})\.(?:lock|(\d{6,})\.jsonl)")

Event = dict[str, Any]


@dataclass
class State:
    """How far a journal has been shipped, and what went wrong with it."""

    segment: int = 1
    offset: int = 0
    torn: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    reported: dict[str, int] = field(default_factory=dict)
    error: str | None = None

    def losses(self) -> Counter[str]:
        """How many records were lost, by reason."""
        return Counter(self.dropped) + Counter({DAMAGED: self.torn})


def segment_path(folder: Path, name: str, segment: int) -> Path:
    return folder / f"{name}.{segment:06d}.jsonl"


def read_state(folder: Path, name: str) -> State:
    """The state of a journal; where it is missing or damaged, all that is still there is new: rows are recognised."""
    try:
        line, _, _ = (folder / f"{name}.state").read_bytes().partition(b"\n")
        return State(**orjson.loads(line))
    except (OSError, TypeError, ValueError):
        return State(segment=min(segments(folder, name), default=1))


def write_state(folder: Path, name: str, state: State) -> None:
    """Overwrite the state in place, which works on a full disk too; raises OSError."""
    data = orjson.dumps(asdict(state))
    fd = os.open(folder / f"{name}.state", os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.write(fd, data.ljust(STATE_BYTES - 1) + b"\n")
    finally:
        os.close(fd)


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


def journal_names(folder: Path) -> set[str]:
    return {found[1] for path in folder.glob("*.*") if (found := _OURS.fullmatch(path.name))}


def segments(folder: Path, name: str) -> dict[int, Path]:
    """The segments of one journal, by number."""
    paths = {found[2]: path for path in folder.glob(f"{name}.*") if (found := _OURS.fullmatch(path.name))}
    return {int(number): path for number, path in paths.items() if number}


def pending_bytes(folder: Path, besides: str | None = None) -> int:
    """Bytes in the folder's journals that have not been shipped yet."""
    return sum(unshipped(folder, name) for name in journal_names(folder) if name != besides)


def unshipped(folder: Path, name: str) -> int:
    """Bytes of one journal that have not been shipped yet."""
    state = read_state(folder, name)
    total = 0
    for segment, path in segments(folder, name).items():
        if segment >= state.segment:
            try:
                total += path.stat().st_size - (state.offset if segment == state.segment else 0)
            except FileNotFoundError:
                continue
    return total


def unshipped_lines(folder: Path, name: str) -> int:
    """Lines of one journal that have not been shipped yet."""
    state = read_state(folder, name)
    total = 0
    for segment, path in segments(folder, name).items():
        if segment >= state.segment:
            with suppress(FileNotFoundError), path.open("rb") as file:
                file.seek(state.offset if segment == state.segment else 0)
                while chunk := file.read(READ_BYTES):
                    total += chunk.count(b"\n")
    return total


class Reader:
    """Reads one journal.

    :param lock: the descriptor of the lock, where the journal is adopted from a dead process
    """

    def __init__(self, folder: Path, name: str, lock: int = -1) -> None:
        self.folder = folder
        self.name = name
        self.state = read_state(folder, name)
        self.acknowledged = 0
        self.adopted = lock >= 0
        #: Whether some of what comes next may be in the database already.
        self.replay = self.adopted
        self._lock = lock
        self.rewind()

    def rewind(self) -> None:
        """Go back to what the database is known to have."""
        self.segment, self.offset = self.state.segment, self.state.offset
        self._torn = self._read = 0

    def read(self, limit: int) -> list[tuple[str, Event]]:
        """The next lines, at most ``limit``, each with its event id; none at the end. Damaged ones are only counted."""
        while True:
            # In this order: when the next segment is there, the last write to this one is over.
            finished = segment_path(self.folder, self.name, self.segment + 1).exists()
            chunk = self._chunk()
            end = chunk.rfind(b"\n") + 1
            if end:
                if events := self._take(chunk[:end], limit):
                    return events
                continue
            if chunk and (finished or self.adopted):
                self._torn += 1
                self._advance(len(chunk))
            if not finished:
                return []
            self.segment, self.offset = self.segment + 1, 0

    def _chunk(self) -> bytes:
        try:
            with open(segment_path(self.folder, self.name, self.segment), "rb") as file:
                file.seek(self.offset)
                chunk = file.read(READ_BYTES)
                while chunk and b"\n" not in chunk and (more := file.read(READ_BYTES)):
                    chunk += more
                return chunk
        except FileNotFoundError:
            return b""

    def _take(self, chunk: bytes, limit: int) -> list[tuple[str, Event]]:
        events = []
        prefix, offset = f"{self.name}-{self.segment:06d}", self.offset
        *lines, _ = chunk.split(b"\n", limit)
        for line in lines:
            if (event := parse(line)) is not None:
                events.append((f"{prefix}-{offset:010d}", event))
            elif line:
                self._torn += 1
            offset += len(line) + 1
        self._advance(offset - self.offset)
        return events

    def _advance(self, count: int) -> None:
        self.offset += count
        self._read += count

    def acknowledge(self) -> None:
        """All that was read is in the database: remember that, and remove the segments that are done with."""
        if (self.segment, self.offset) == (self.state.segment, self.state.offset):
            return
        finished = range(self.state.segment, self.segment)
        self.state.segment, self.state.offset = self.segment, self.offset
        self.state.torn += self._torn
        self.acknowledged += self._read
        self._torn = self._read = 0
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
        for path in segments(self.folder, self.name).values():
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
    if not isinstance(event, dict) or event.get("v") != VERSION or not isinstance(event.get("time"), int | float):
        return None
    return event


def adopt(folder: Path, besides: str | None) -> Iterator[Reader]:
    """Readers of the journals whose processes are dead; each keeps its lock until it is closed."""
    for name in journal_names(folder):
        if name != besides:
            try:
                lock = lock_file(folder, name)
            except OSError:
                continue
            if lock >= 0:
                yield Reader(folder, name, lock)


def quarantine(folder: Path, event_id: str, content: Mapping[str, object], reason: str) -> None:
    """Keep a record that no database takes, with the reason, for a person to look at."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = orjson.dumps({"event_id": event_id, "reason": reason, "record": content}, default=str) + b"\n"
    fd = os.open(folder / QUARANTINE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)
