"""Journals of living and of dead processes are read here in order, from where the last commit left off.

If a journal's lock is free, its process is dead. The process that takes the lock adopts the journal, and no other can.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from .append import Journal
from .files import Event, State, is_later, lock_existing, parse, read_state, segment_path, write_state

DAMAGED = "damaged line in the journal"
REMOVED = "the file that they were in was removed"
MISSING = "one or more in each file that is missing from the journal"
KILLED = "they waited in the memory of a process that ended"


class Reader:
    """Reads one journal: that of a dead process, or that of a living one, to see what waits in it.

    :param state: how far the journal has been read; the reader keeps it up to date
    :param segments: the numbers of its segments
    :param locks: the descriptors of its locks, if the journal is adopted from a dead process
    """

    def __init__(
        self, folder: Path, name: str, state: State, segments: Iterable[int] = (), locks: Iterable[int] = ()
    ) -> None:
        self.folder = folder
        self.name = name
        self.state = state
        self._segments = sorted(segments)
        self._locks = list(locks)
        self.adopted = bool(self._locks)
        #: Whether the database may have some of the next records already.
        self.replay = self.adopted
        self._lines_acknowledged = 0
        self.rewind()

    def rewind(self) -> None:
        """Go back to the last position that was acknowledged."""
        self.segment, self.offset = self.state.reached
        # These count the lines read in this segment, list the segments read to their ends, and count losses by reason.
        self._lines = self._lines_acknowledged
        self._passed: list[int] = []
        self._losses = {DAMAGED: 0, REMOVED: 0, MISSING: 0}
        #: Whether the next line is one that only a later version of the log can read; reading stops in front of it.
        self.later = False

    def read(self, limit: int) -> list[tuple[str, Event]]:
        """Return the next lines, at most ``limit``, each with its event id; nothing at the end of the journal.

        Damaged lines and missing segments are left out and counted. Raises OSError if a file cannot be read.
        """
        while not self.later:
            # This must come before reading: once there is a next segment, nothing more is written to this one.
            following = self._following()
            before = self.offset
            events = self._read_segment(limit, following is not None or self.adopted)
            if events:
                return events
            if self.offset == before:
                if following is None:
                    return []
                self._pass_on(following)
        return []

    def _following(self) -> int | None:
        """Return the number of the segment after this one, None if this is the newest."""
        return min((each for each in self._segments if each > self.segment), default=None)

    def _open(self) -> BinaryIO:
        return segment_path(self.folder, self.name, self.segment).open("rb")

    def _pass_on(self, following: int) -> None:
        self._losses[MISSING] += following - self.segment - 1
        self._passed.append(self.segment)
        self.segment, self.offset, self._lines = following, 0, 0

    def _read_segment(self, limit: int, finished: bool) -> list[tuple[str, Event]]:
        """Return lines of this segment; a last line without a newline is left for later, unless ``finished``."""
        events, offset, lines = [], self.offset, 0
        prefix = f"{self.name}-{self.segment:06d}"
        with suppress(FileNotFoundError), self._open() as file:
            file.seek(offset)
            for line in islice(file, limit):
                if not (finished or line.endswith(b"\n")):
                    break
                if (event := parse(line)) is not None:
                    events.append((f"{prefix}-{offset:010d}", event))
                elif is_later(line):
                    self.later = True
                    break
                elif line != b"\n":
                    self._losses[DAMAGED] += 1
                offset += len(line)
                lines += 1
        self.offset = offset
        self._lines += lines
        return events

    def acknowledge(self) -> None:
        """Note that all that was read is in the database, and remove the segments that were read to their ends."""
        if (self.segment, self.offset) == self.state.reached:
            return
        self.state.segment, self.state.offset = self.segment, self.offset
        self.state.dropped.update({reason: count for reason, count in self._losses.items() if count})
        passed, self._lines_acknowledged = self._passed, self._lines
        self.rewind()
        self.replay = self.adopted
        self.save()
        for segment in passed:
            segment_path(self.folder, self.name, segment).unlink(missing_ok=True)

    def save(self) -> None:
        """Write the state to its file. If that fails, the next rows count as a replay, which stores none twice."""
        try:
            write_state(self.folder, self.name, self.state)
        except OSError:
            self.replay = True

    def remove(self) -> None:
        """Delete a journal that has been shipped to its end, its lock file last."""
        for segment in {*self._segments, self.segment}:
            segment_path(self.folder, self.name, segment).unlink(missing_ok=True)
        for ending in ("state", "new"):
            (self.folder / f"{self.name}.{ending}").unlink(missing_ok=True)
        if os.name == "nt":
            self.close()
        (self.folder / f"{self.name}.lock").unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Release the locks of an adopted journal."""
        while self._locks:
            os.close(self._locks.pop())


class OwnReader(Reader):
    """Reads the journal of this process while it is written."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        super().__init__(journal.folder, journal.name, journal.state)

    def _following(self) -> int | None:
        return self.segment + 1 if self.segment < self._journal.segment else None

    def _open(self) -> BinaryIO:
        return self._journal.open_segment(self.segment)

    def _pass_on(self, following: int) -> None:
        """Count lines that were written but never read as lost: somebody has removed their file."""
        self._losses[REMOVED] += max(0, self._journal.lines_in(self.segment) - self._lines)
        super()._pass_on(following)

    def save(self) -> None:
        try:
            self._journal.save_state()
        except OSError:
            self.replay = True


def adopt(folder: Path, name: str, seen: Iterable[int] = ()) -> Reader | None:
    """Return a reader of this journal if its process is dead, else None; the reader keeps its locks until it is closed.

    A living process locks both the lock file and the newest segment, since somebody who cleans up may remove one of
    them. Raises FileNotFoundError if neither is there, and OSError if nobody can tell whether they are locked.

    :param seen: the numbers of the segments in the folder, as far as they are known
    """
    locks: list[int] = []
    try:
        with suppress(FileNotFoundError):
            locks.append(lock_existing(folder / f"{name}.lock"))
        if -1 in locks:
            return None
        segments = _existing(folder, name, seen or [read_state(folder, name, ()).segment])
        if segments and os.name != "nt":
            locks.append(lock_existing(segment_path(folder, name, segments[-1])))
            # Meanwhile the process may have gone on to the next segment and closed this one.
            if -1 in locks or segment_path(folder, name, segments[-1] + 1).exists():
                return None
        if not locks:
            raise FileNotFoundError(name)
        state = _state_of_dead(folder, name, segments)
        reader, locks = Reader(folder, name, state, segments, locks), []
        return reader
    finally:
        for lock in locks:
            if lock >= 0:
                os.close(lock)


def _existing(folder: Path, name: str, seen: Iterable[int]) -> list[int]:
    """Return in order which of these segments exist, and all that follow the last of them.

    This does not list the folder, which may hold thousands of other journals.
    """
    following = max(seen)
    found = [each for each in sorted(seen) if segment_path(folder, name, each).exists()]
    while segment_path(folder, name, following := following + 1).exists():
        found.append(following)
    return found


def _state_of_dead(folder: Path, name: str, segments: list[int]) -> State:
    state = read_state(folder, name, segments)
    # The state may name a removed segment, if it could not be saved or if power was lost before it was.
    if segments and state.segment < segments[0]:
        state.segment, state.offset = segments[0], 0
    if state.segment in segments and state.offset > segment_path(folder, name, state.segment).stat().st_size:
        state.offset = 0
    if state.memory:
        state.dropped[KILLED] += state.memory
        state.memory = 0
    return state
