"""The files of a journal: their names, the lock, the state, one line, and the quarantine.

A journal called NAME is these files in one folder:

    NAME.lock           held (flock; msvcrt on Windows) as long as its process lives
    NAME.000001.jsonl   segments, appended to with one write a record
    NAME.state          what has been shipped, and what went wrong

The idea (write ahead, note the position only after success) is Seq's durable log shipping; one journal for each
process is ours.
"""

import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import portalocker

from ..capture.event import VERSION

STATE_BYTES = 2_048
QUARANTINE = "quarantine.ndjson"
# Every other file in the folder is left alone.
_OURS = re.compile(r"([0-9a-f]{16})\.(?:lock|(\d{6,})\.jsonl)")

#: One record as docs/journal.md describes it.
Event = dict[str, Any]


@dataclass
class State:
    """How far a journal has been shipped, and how many records were lost and reported as lost, by reason."""

    segment: int = 1
    offset: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    reported: Counter[str] = field(default_factory=Counter)
    error: str | None = None

    def __post_init__(self) -> None:
        self.dropped, self.reported = Counter(self.dropped), Counter(self.reported)

    @property
    def reached(self) -> tuple[int, int]:
        """Segment and offset up to which everything is in the database."""
        return self.segment, self.offset

    def unreported(self) -> Counter[str]:
        """Return the losses that no row in the log tells of yet."""
        # Other threads count while this runs; copy() is one step.
        return self.dropped.copy() - self.reported


def segment_path(folder: Path, name: str, segment: int) -> Path:
    return folder / f"{name}.{segment:06d}.jsonl"


def journals(folder: Path) -> dict[str, dict[int, Path]]:
    """Return the folder's journals by name, each with its segments by number."""
    found: dict[str, dict[int, Path]] = {}
    for path in folder.glob("*.*"):
        if ours := _OURS.fullmatch(path.name):
            segments = found.setdefault(ours[1], {})
            if ours[2]:
                segments[int(ours[2])] = path
    return found


def read_state(folder: Path, name: str) -> State:
    """Return the state of a journal.

    A state that is missing or damaged counts as the journal's beginning: rows that are in the database already are
    recognised there.
    """
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
    """Return a descriptor that holds the journal's lock until it is closed, or -1 if another process holds it."""
    path = folder / f"{name}.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # On POSIX this is flock. Not lockf: that lock is lost as soon as any descriptor of the file is closed.
        portalocker.lock(fd, portalocker.LOCK_EX | portalocker.LOCK_NB)
        # The last holder may have removed the file between our two calls.
        if os.path.samestat(os.fstat(fd), os.stat(path)):
            return fd
    except (OSError, portalocker.LockException):
        pass
    os.close(fd)
    return -1


def parse(line: bytes) -> Event | None:
    """Return the line's event, or None where the line is no event of this version."""
    try:
        event = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("v") != VERSION or not isinstance(event.get("time"), (int, float)):
        return None
    return event


def count_lines(path: Path, offset: int = 0) -> int:
    """Return the number of whole lines after ``offset``; 0 where the file cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(offset)
        return sum(line.endswith(b"\n") for line in file)
    return 0


def quarantine(folder: Path, event_id: str, event: Event, reason: str) -> None:
    """Keep a record that no database takes, with the reason, for a person to look at; raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(folder / QUARANTINE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open(fd, "ab", buffering=0) as file:
        file.write(orjson.dumps({"event_id": event_id, "reason": reason, "record": event}) + b"\n")
