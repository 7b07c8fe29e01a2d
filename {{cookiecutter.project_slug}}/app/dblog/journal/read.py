"""Journals are read in order, from where the last commit left off: the living processes' and the dead ones'.

A lock that is free tells that its process is dead. Whoever takes the lock adopts the journal, and no one else can.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from .files import Event, State, count_lines, journals, lock_file, parse, read_state, segment_path, write_state

DAMAGED = "damaged line in the journal"


def unshipped(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield each segment that is not wholly in the database, with the offset where the rest begins."""
    for name, segments in journals(folder).items():
        state = read_state(folder, name)
        for number, path in segments.items():
            if number >= state.segment:
                yield path, state.offset if number == state.segment else 0


def pending_bytes(folder: Path) -> int:
    """Return how many bytes of the folder's journals are not in the database yet."""
    total = 0
    for path, offset in unshipped(folder):
        with suppress(FileNotFoundError):
            total += path.stat().st_size - offset
    return total


def waiting_records(folder: Path) -> int:
    """Return how many records of the folder's journals are not in the database yet."""
    return sum(count_lines(path, offset) for path, offset in unshipped(folder))


class Reader:
    """Reads one journal.

    :param state: how far the journal has been read; kept up to date
    :param lock: the descriptor of the lock, if the journal is adopted from a dead process
    """

    def __init__(self, folder: Path, name: str, state: State, lock: int = -1) -> None:
        self.folder = folder
        self.name = name
        self.state = state
        self.adopted = lock >= 0
        #: Whether the database may have some of what comes next already.
        self.replay = self.adopted
        self._lock = lock
        self.rewind()

    def rewind(self) -> None:
        """Go back to the last position that was acknowledged."""
        self.segment, self.offset = self.state.reached
        self._damaged = 0

    def read(self, limit: int) -> list[tuple[str, Event]]:
        """Return the next lines, at most ``limit``, each with its event id; nothing at the end of the journal.

        Damaged lines are left out and counted.
        """
        while True:
            # The order matters: once the next segment exists, the last write to this one is over.
            finished = segment_path(self.folder, self.name, self.segment + 1).exists()
            before = self.offset
            events = self._read_segment(limit, finished or self.adopted)
            if events:
                return events
            if self.offset == before:
                if not finished:
                    return []
                self.segment, self.offset = self.segment + 1, 0

    def _read_segment(self, limit: int, finished: bool) -> list[tuple[str, Event]]:
        """Return lines of this segment; a last line without its end is left for later, unless writing has finished."""
        events = []
        path, prefix = segment_path(self.folder, self.name, self.segment), f"{self.name}-{self.segment:06d}"
        with suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(self.offset)
            for line in islice(file, limit):
                if not (finished or line.endswith(b"\n")):
                    break
                if (event := parse(line)) is not None:
                    events.append((f"{prefix}-{self.offset:010d}", event))
                elif line != b"\n":
                    self._damaged += 1
                self.offset += len(line)
        return events

    def acknowledge(self) -> None:
        """Note that all that was read is in the database, and remove the segments that are done with."""
        if (self.segment, self.offset) == self.state.reached:
            return
        finished = range(self.state.segment, self.segment)
        self.state.segment, self.state.offset = self.segment, self.offset
        if self._damaged:
            self.state.dropped[DAMAGED] += self._damaged
        self._damaged = 0
        self.replay = self.adopted
        self.save()
        for segment in finished:
            segment_path(self.folder, self.name, segment).unlink(missing_ok=True)

    def save(self) -> None:
        """Write the state to its file. If that fails, the next rows are offered as a replay and recognised."""
        try:
            write_state(self.folder, self.name, self.state)
        except OSError:
            self.replay = True

    def remove(self) -> None:
        """Delete a journal that has been shipped to its end; its lock file goes last."""
        for path in journals(self.folder).get(self.name, {}).values():
            path.unlink(missing_ok=True)
        (self.folder / f"{self.name}.state").unlink(missing_ok=True)
        if os.name == "nt":
            self.close()
        (self.folder / f"{self.name}.lock").unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the lock of an adopted journal."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def adopt(folder: Path) -> Reader | None:
    """Return a reader of some journal whose process is dead, or None; the reader keeps the lock until it is closed."""
    for name in journals(folder):
        with suppress(OSError):
            lock = lock_file(folder, name)
            if lock >= 0:
                state = read_state(folder, name)
                # A state that could not be saved, or not before power was lost, may name a segment that is removed.
                first = min(journals(folder).get(name, ()), default=1)
                if state.segment < first:
                    state.segment, state.offset = first, 0
                return Reader(folder, name, state, lock)
    return None
