"""The journal of this process: one line is appended for each record before the log call returns."""

import os
import secrets
import threading
import time
from collections import deque
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from ...private_files import NO_LINKS, make_own_folder
from .files import Segments, State, create_locked, is_at, journals, pending_bytes, read_state, segment_path, write_state

SEGMENT_BYTES = 8 * 1024 * 1024
MEMORY_RECORDS = 10_000
FULL_RECHECK_SECONDS = 1.0
#: How many files of the folder a log call or a request looks at, at most: those of a hundred processes.
FILES_SEEN_AT_ONCE = 300

FULL = "the journal is full"
UNWRITABLE = "the journal could not be written and memory was full"

_sync = getattr(os, "fdatasync", os.fsync)


class Journal:
    """The journal of this process, opened at its first record.

    :param max_bytes: how much may wait in the folder, other processes' journals included; later records are dropped
    :param fsync: whether each record waits for the disk, so that it survives power loss too
    :param root: the project's folder, kept in the state: a process in another folder may adopt the journal
    :param release: the deployed release, kept in the state: a process of a later release may adopt the journal
    """

    def __init__(self, folder: Path, max_bytes: int, fsync: bool, root: str = "", release: str = "") -> None:
        self.folder = folder
        self.root = root
        self.release = release
        self.max_bytes = max_bytes
        self.fsync = fsync
        self._segment_bytes = min(SEGMENT_BYTES, max_bytes // 4)
        self.lock = threading.RLock()
        self._fd = self._lock_fd = self._read_fd = -1
        self._reset(secrets.token_hex(8))

    def _reset(self, name: str) -> None:
        """Close the files and forget them: the next record opens a new journal."""
        for fd in (self._fd, self._lock_fd, self._read_fd):
            if fd >= 0:
                os.close(fd)
        self.name = name
        self.state = State(root=self.root, release=self.release)
        self.memory: deque[tuple[str, bytes]] = deque()
        self.error: OSError | None = None
        #: How many bytes wait in the folder's other journals, as far as this process has looked.
        self.bytes_of_others = 0
        self._recheck_space_at = 0.0
        #: The newest segment; 0 before the first record.
        self.segment = 0
        self._numbers = count(1)
        self._size = self._lines = self._bytes_left = 0
        # This maps each segment before the newest to its size in bytes and its number of lines.
        self._closed: dict[int, tuple[int, int]] = {}
        self._fd = self._lock_fd = self._read_fd = -1
        self._expected_end = -1
        self._torn = False
        self._busy = False
        self._nested: list[bytes] = []
        self._not_restored: OSError | None = None

    @property
    def is_open(self) -> bool:
        return self._lock_fd >= 0

    @property
    def position(self) -> tuple[int, int]:
        """The segment and the offset at which the next record will be written."""
        with self.lock:
            return self.segment, self._size_now()

    def is_pending(self) -> bool:
        """Return whether something is not in the database yet; a loss that no row reports yet counts, too."""
        return bool(self.memory or self.state.unreported()) or self.position > self.state.reached

    def append(self, line: bytes) -> None:
        """Write one line; when this returns, the line survives the process.

        A line that cannot be written is kept in memory; beyond the bounds of disk and memory it is dropped and
        counted.
        """
        with self.lock:
            if self._busy:
                # A signal handler or a finaliser logs while its thread is in here: the outer call writes its line.
                self._nested.append(line)
                return
            self._busy = True
            try:
                self._append(line)
                while self._nested:
                    self._append(self._nested.pop(0))
            finally:
                self._busy = False

    @property
    def pending_bytes(self) -> int:
        """How many bytes of this journal are not in the database yet."""
        first, offset = self.state.reached
        with self.lock:
            closed = sum(size for segment, (size, _) in self._closed.items() if segment >= first)
            return max(0, closed + self._size_now() - offset)

    def open_segment(self, segment: int) -> BinaryIO:
        """Open a segment for reading; raises FileNotFoundError if it was removed.

        The newest segment can be opened even then, through its descriptor.
        """
        with self.lock:
            if segment == self.segment:
                return open(os.dup(self._read_fd), "rb")
        return segment_path(self.folder, self.name, segment).open("rb")

    def look_at_others(self, most_files: int | None = None) -> dict[str, Segments]:
        """Return the folder's other journals, and note how much waits in them; raises OSError.

        :param most_files: look at no more than so many files; None looks at all
        """
        others, complete = journals(self.folder, most_files)
        others.pop(self.name, None)
        states = {name: read_state(self.folder, name, segments) for name, segments in others.items()}
        waiting = sum(pending_bytes(states[name], segments) for name, segments in others.items())
        # The writer looks at all journals, but less often than a log call looks at some of them.
        self.bytes_of_others = waiting if complete else max(waiting, self.bytes_of_others)
        return others

    def lines_in(self, segment: int) -> int:
        """Return how many lines were written to a segment before the newest."""
        return self._closed.get(segment, (0, 0))[1]

    def restore(self) -> None:
        """Create again what was removed under the running process: the folder, the lock file, the newest segment.

        The new segment gets all that is not in the database yet, at the same offset, before others can see the file.
        If that fails, :attr:`error` says so, and records still reach the database through the open descriptor.
        """
        with self.lock:
            if not self.is_open:
                return
            try:
                self._restore()
            except OSError as error:
                self.error = self._not_restored = error
                return
            if self.error is self._not_restored:
                self.error = None
            self._not_restored = None

    def _restore(self) -> None:
        lock, newest = self._lock_path, segment_path(self.folder, self.name, self.segment)
        if not is_at(self._lock_fd, lock):
            make_own_folder(self.folder)
            held, self._lock_fd = self._lock_fd, create_locked(lock)
            os.close(held)
        if self._fd >= 0 and not is_at(self._fd, newest):
            # The part that is shipped already, up to its last newline, becomes a hole in the new file.
            shipped = self.state.offset if self.state.segment == self.segment else 0
            size, content = os.fstat(self._fd).st_size, b""
            start = min(size, max(0, shipped - 1))
            while more := os.pread(self._read_fd, size - start - len(content), start + len(content)):
                content += more
            self._replace_segment(create_locked(newest, start, content), newest)
            write_state(self.folder, self.name, self.state)

    def _replace_segment(self, fd: int, path: Path) -> None:
        """Write to another file from now on, and close the last one."""
        try:
            read_fd = os.open(path, os.O_RDONLY | NO_LINKS | getattr(os, "O_BINARY", 0))
        except OSError:
            os.close(fd)
            raise
        for last in (self._fd, self._read_fd):
            if last >= 0:
                os.close(last)
        self._fd, self._read_fd = fd, read_fd

    def space_was_freed(self) -> None:
        """Look at the folder's size again at the next record, not only after :data:`FULL_RECHECK_SECONDS`."""
        self._recheck_space_at = 0.0

    def _append(self, line: bytes) -> None:
        self._size, self._expected_end = self._size_now(), -1
        try:
            if len(line) > self._bytes_left and self._is_full(len(line)):
                self.state.dropped[FULL] += 1
            else:
                self._write(line)
        except OSError as error:
            landed = self._size_now() == self._expected_end
            if self.fsync or not landed:
                self.error = error
            if not landed:
                self._remember(line)

    def _size_now(self) -> int:
        """Return where the last whole line ends.

        A signal handler may raise after a line was written and before its end was noted: then the file's size tells.
        """
        landed = self._torn and self._fd >= 0 and os.fstat(self._fd).st_size == self._expected_end
        return self._expected_end if landed else self._size

    def _is_full(self, size: int) -> bool:
        """Return whether the folder has no room for ``size`` bytes; if it has, some room is reserved.

        The folder must be looked at because the journals of other processes, dead ones too, fill it as well.
        """
        if time.monotonic() >= self._recheck_space_at:
            with suppress(OSError):
                self.look_at_others(FILES_SEEN_AT_ONCE)
            room = self.max_bytes - self.bytes_of_others - self.pending_bytes
            self._bytes_left = min(max(size, self._segment_bytes), room)
            full = size > self._bytes_left
            self._recheck_space_at = time.monotonic() + FULL_RECHECK_SECONDS if full else 0.0
        return size > self._bytes_left

    def _write(self, line: bytes) -> None:
        if self._fd < 0 or self._size >= self._segment_bytes:
            self._open_segment()
        data = line
        if self._torn:
            # A short or failed write may have left a part of its line: the newline keeps this record apart from it.
            self._size = os.fstat(self._fd).st_size
            data = b"\n" + line
        self._torn, self._expected_end = True, self._size + len(data)
        if os.write(self._fd, data) < len(data):
            os.ftruncate(self._fd, self._size)
            raise OSError("short write")
        if self.fsync:
            _sync(self._fd)
        self._size = self._expected_end
        self._torn = False
        self._lines += 1
        self._bytes_left -= len(data)
        self.error = self._not_restored

    def _remember(self, line: bytes) -> None:
        if len(self.memory) >= MEMORY_RECORDS:
            self.state.dropped[UNWRITABLE] += 1
            return
        self.memory.append((f"{self.name}-memory-{next(self._numbers):010d}", line))
        # The state can be overwritten even on a full disk. If the process is killed, the state tells what was lost.
        with suppress(OSError):
            self.save_state()

    def save_state(self) -> None:
        """Write the state to its file, if the journal is open; raises OSError."""
        self.state.memory = len(self.memory)
        if self.is_open:
            write_state(self.folder, self.name, self.state)

    @property
    def _lock_path(self) -> Path:
        return self.folder / f"{self.name}.lock"

    def _open_segment(self) -> None:
        if self.is_open:
            # If the last segment was removed, it must be restored before it is closed: nobody could read it afterwards.
            self._restore()
        else:
            # The lock tells other processes that this one is alive.
            make_own_folder(self.folder)
            self._lock_fd = create_locked(self._lock_path)
            write_state(self.folder, self.name, self.state)
        path = segment_path(self.folder, self.name, self.segment + 1)
        self._replace_segment(create_locked(path), path)
        if self.segment:
            still_needed = {each: facts for each, facts in self._closed.items() if each >= self.state.segment}
            self._closed = still_needed | {self.segment: (self._size, self._lines)}
        self.segment += 1
        self._size = self._lines = 0
        self._torn = False

    def close(self) -> None:
        """Close the files, so that any process may adopt what is unshipped. A later record opens a new journal."""
        with self.lock:
            self._reset(secrets.token_hex(8))

    def after_fork(self, name: str) -> None:
        """Begin a new journal in a forked child, under a name that its parent knows.

        The child closes its parent's files, since an open descriptor would keep the lock after the parent's death.
        """
        self.lock = threading.RLock()
        self._reset(name)
