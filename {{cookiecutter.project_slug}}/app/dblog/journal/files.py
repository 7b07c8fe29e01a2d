"""The files of a journal: their names, the lock, the state, one line, and the quarantine.

A journal called NAME is these files in one folder:

    NAME.lock           held (flock; msvcrt on Windows) as long as its process lives
    NAME.000001.jsonl   segments, appended to with one write a record; the newest is held like the lock
    NAME.state          what has been shipped, and what went wrong

The idea (write first, note the position only after success) is Seq's durable log shipping; a journal for each process
is an addition to it.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import portalocker

from ...private_files import NO_LINKS, make_own_folder
from ..capture.event import VERSION

STATE_BYTES = 2_048
QUARANTINE = "quarantine.ndjson"
#: How much of the quarantine a request reads, at most.
QUARANTINE_BYTES = 4 * 1024 * 1024
# Every other file in the folder is left alone.
_OURS = re.compile(r"([0-9a-f]{16})\.(?:lock|(\d{6,})\.jsonl)")

#: One record as docs/journal.md describes it.
Event = dict[str, Any]
#: The segments of a journal by number.
Segments = dict[int, Path]

_WINDOWS = os.name == "nt"
_OPEN = os.O_RDWR | NO_LINKS | getattr(os, "O_BINARY", 0)


@dataclass
class State:
    """How far a journal has been shipped, and what else another process must know of it.

    ``dropped`` counts the lost records by reason, and ``reported`` those of them that a row of the log reports.
    ``memory`` is how many records wait in the process's memory, because the journal could not be written.
    """

    segment: int = 1
    offset: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    reported: Counter[str] = field(default_factory=Counter)
    error: str | None = None
    memory: int = 0
    root: str = ""
    release: str = ""

    def __post_init__(self) -> None:
        self.dropped, self.reported = Counter(self.dropped), Counter(self.reported)

    @property
    def reached(self) -> tuple[int, int]:
        """The segment and the offset up to which everything is in the database."""
        return self.segment, self.offset

    def unreported(self) -> Counter[str]:
        """Return the losses that no row of the log reports yet."""
        # Other threads count while this runs, but none can interrupt copy().
        return self.dropped.copy() - self.reported


def segment_path(folder: Path, name: str, segment: int) -> Path:
    return folder / f"{name}.{segment:06d}.jsonl"


def journals(folder: Path, most_files: int | None = None) -> tuple[dict[str, Segments], bool]:
    """Return the folder's journals by name, and whether that is all of them.

    Raises OSError if the folder cannot be read; a folder that does not exist has no journals.

    :param most_files: look at no more than so many files, whatever they are; None looks at all
    """
    found: dict[str, Segments] = {}
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return found, True
    with entries:
        for entry in islice(entries, most_files):
            if ours := _OURS.fullmatch(entry.name):
                segments = found.setdefault(ours[1], {})
                if ours[2]:
                    segments[int(ours[2])] = folder / entry.name
        return found, next(entries, None) is None


def read_state(folder: Path, name: str, segments: Iterable[int]) -> State:
    """Return the state of a journal that has these segments.

    If the state is missing or damaged, the journal is read from its beginning, and the database recognises rows that it
    has already. Fields that this version does not know are left out.
    """
    try:
        line, _, _ = (folder / f"{name}.state").read_bytes().partition(b"\n")
        found = orjson.loads(line)
        known = {each.name: found[each.name] for each in fields(State) if each.name in found}
        if all(_is_valid(field_name, value) for field_name, value in known.items()):
            return State(**known)
    except (OSError, TypeError, ValueError):
        pass
    return State(segment=min(segments, default=1))


def _is_valid(field_name: str, value: Any) -> bool:
    """Whether a field of a state has the type that it should have."""
    if field_name in {"error", "root", "release"}:
        return isinstance(value, str) or (value is None and field_name == "error")
    if field_name in {"dropped", "reported"}:
        return isinstance(value, dict) and all(_is_valid("count", each) for each in value.values())
    # isinstance() would accept True, which is an int, too.
    return type(value) is int and value >= (field_name == "segment")


def unshipped(state: State, segments: Segments) -> Iterator[tuple[Path, int]]:
    """Yield each segment that is not wholly in the database, with the offset where the rest begins."""
    for number, path in segments.items():
        if number >= state.segment:
            yield path, state.offset if number == state.segment else 0


def pending_bytes(state: State, segments: Segments) -> int:
    """Return how many bytes of a journal are not in the database yet."""
    total = 0
    for path, offset in unshipped(state, segments):
        with suppress(FileNotFoundError):
            # The offset may be beyond the end if half a line was shipped that a failed write then took back.
            total += max(0, path.stat().st_size - offset)
    return total


def write_state(folder: Path, name: str, state: State) -> None:
    """Overwrite the state in place, which works on a full disk too; raises OSError."""
    fd = os.open(folder / f"{name}.state", os.O_WRONLY | os.O_CREAT | NO_LINKS | getattr(os, "O_BINARY", 0), 0o600)
    with open(fd, "wb", buffering=0) as file:
        file.write(orjson.dumps(state).ljust(STATE_BYTES - 1) + b"\n")


def create_locked(path: Path, offset: int = 0, content: bytes = b"") -> int:
    """Create a file that is locked before any other process can see it; a file of that name is replaced.

    Return its descriptor, which holds the lock until it is closed. Raises OSError, also if the file system has no
    locks. On Windows only the lock file is locked: a lock there keeps others from reading, and an open file can
    neither be renamed nor removed.

    :param offset: where in the file its content begins; a hole is before the content
    """
    made = path if _WINDOWS else path.with_name(f"{path.name.partition('.')[0]}.new")
    fd = os.open(made, _OPEN | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
    try:
        if (not _WINDOWS or path.suffix == ".lock") and not _lock(fd):
            raise BlockingIOError(f"another process has locked {made.name}")
        os.ftruncate(fd, offset)
        with open(fd, "ab", closefd=False) as file:
            file.write(content)
        if not _WINDOWS:
            made.rename(path)
    except BaseException:
        os.close(fd)
        if not _WINDOWS:
            made.unlink(missing_ok=True)
        raise
    return fd


def lock_existing(path: Path) -> int:
    """Return a descriptor that holds the lock of a file until it is closed, or -1 if another process holds it.

    Raises FileNotFoundError, and OSError if nobody can tell whether the file is locked.
    """
    fd = os.open(path, _OPEN)
    try:
        locked = _lock(fd)
        # The last holder may have removed the file between our two calls.
        if locked and not is_at(fd, path):
            raise FileNotFoundError(path)
    except BaseException:
        os.close(fd)
        raise
    if not locked:
        os.close(fd)
        return -1
    return fd


def is_at(fd: int, path: Path) -> bool:
    """Whether the open file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(fd: int) -> bool:
    """Lock a file without waiting; False if another process holds it, OSError for every other reason."""
    try:
        # On POSIX this is flock. A lock of lockf would be lost as soon as any descriptor of the file is closed.
        portalocker.lock(fd, portalocker.LOCK_EX | portalocker.LOCK_NB)
    except portalocker.AlreadyLocked:
        return False
    except portalocker.LockException as error:
        raise OSError(f"the file system has no locks: {error}") from error
    return True


def parse(line: bytes) -> Event | None:
    """Return the line's event, or None if the line is no event of this version."""
    try:
        event = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("v") != VERSION or not isinstance(event.get("time"), (int, float)):
        return None
    return event


def is_later(line: bytes) -> bool:
    """Whether the line was written by a later version of the log, in a format that this one does not know."""
    try:
        version = orjson.loads(line)["v"]
    except (ValueError, TypeError, KeyError):
        return False
    return type(version) is int and version > VERSION


def count_lines(path: Path, offset: int = 0) -> int:
    """Return the number of whole lines after ``offset``; 0 if the file cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(offset)
        return sum(line.endswith(b"\n") for line in file)
    return 0


def quarantine(folder: Path, event_id: str, event: Event, reason: str) -> None:
    """Keep a record that no database takes, with the reason, for a person to look at; raises OSError."""
    make_own_folder(folder)
    fd = os.open(folder / QUARANTINE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINKS, 0o600)
    with open(fd, "ab", buffering=0) as file:
        file.write(orjson.dumps({"event_id": event_id, "reason": reason, "record": event}) + b"\n")


def look_at_quarantine(folder: Path, most_bytes: int | None = None) -> tuple[int, float | None, bool]:
    """Return how many records are in quarantine, when the first of them was logged, and whether these are all.

    :param most_bytes: read about so many bytes at most; None reads all
    """
    count, size, first = 0, 0, None
    with suppress(OSError), (folder / QUARANTINE).open("rb") as file:
        for line in file:
            count, size = count + 1, size + len(line)
            if count == 1:
                with suppress(ValueError, KeyError, TypeError):
                    first = float(orjson.loads(line)["record"]["time"])
            if most_bytes is not None and size > most_bytes:
                return count, first, False
    return count, first, True
