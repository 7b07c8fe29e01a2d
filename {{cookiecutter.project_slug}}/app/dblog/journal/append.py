"""The journal of this process: one line is appended for each record before the log call returns."""

import os
import secrets
import threading
import time
from collections import deque
from itertools import count
from pathlib import Path

from .files import State, lock_file, segment_path, write_state
from .read import pending_bytes

SEGMENT_BYTES = 8 * 1024 * 1024
MEMORY_RECORDS = 10_000
FULL_RECHECK_SECONDS = 1.0

FULL = "the journal is full"
UNWRITABLE = "the journal could not be written and memory was full"

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
_sync = getattr(os, "fdatasync", os.fsync)


class Journal:
    """The journal of this process, opened at its first record.

    :param max_bytes: how much may wait in the folder, other processes' journals included; later records are dropped
    :param fsync: whether each record waits for the disk, so that it survives power loss too
    """

    def __init__(self, folder: Path, max_bytes: int, fsync: bool) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.fsync = fsync
        self._segment_bytes = min(SEGMENT_BYTES, max_bytes // 4)
        self.lock = threading.RLock()
        self._fd = self._lock_fd = -1
        self._reset()

    def _reset(self) -> None:
        """Close the files and forget them: the next record opens a new journal."""
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self.name = secrets.token_hex(8)
        self.state = State()
        self.memory: deque[tuple[str, bytes]] = deque()
        self.error: OSError | None = None
        self._recheck_space_at = 0.0
        self._numbers = count(1)
        self._segment = self._size = self._bytes_left = 0
        self._fd = self._lock_fd = -1
        self._expected_end = -1
        self._torn = False
        self._busy = False
        self._nested: list[bytes] = []

    @property
    def is_open(self) -> bool:
        return self._lock_fd >= 0

    @property
    def position(self) -> tuple[int, int]:
        """Segment and offset of what will be written next."""
        with self.lock:
            return self._segment, self._size_now()

    def is_pending(self) -> bool:
        """Whether something is not in the database yet; a loss that no row tells of counts too."""
        return bool(self.memory or self.state.unreported()) or self.position > self.state.reached

    def append(self, line: bytes) -> None:
        """Write one line; when this returns, the line survives the process.

        A line that cannot be written is kept in memory; beyond the bounds of disk and memory it is dropped and
        counted.
        """
        with self.lock:
            if self._busy:
                # A signal handler or a finaliser logs while this very thread is in here: the outer call writes it.
                self._nested.append(line)
                return
            self._busy = True
            try:
                self._append(line)
                while self._nested:
                    self._append(self._nested.pop(0))
            finally:
                self._busy = False

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

        A signal handler may raise after a line was written and before its end was noted, so the file is asked.
        """
        landed = self._torn and self._fd >= 0 and os.fstat(self._fd).st_size == self._expected_end
        return self._expected_end if landed else self._size

    def _is_full(self, size: int) -> bool:
        """Whether the folder has no room for ``size`` bytes; if it has, some room is reserved.

        The folder is looked at because other processes, dead ones too, fill it as well.
        """
        if time.monotonic() >= self._recheck_space_at:
            wanted = max(size, self._segment_bytes)
            self._bytes_left = min(wanted, self.max_bytes - pending_bytes(self.folder))
            full = size > self._bytes_left
            self._recheck_space_at = time.monotonic() + FULL_RECHECK_SECONDS if full else 0.0
        return size > self._bytes_left

    def _write(self, line: bytes) -> None:
        if self._fd < 0 or self._size >= self._segment_bytes:
            self._open_segment()
        data = line
        if self._torn:
            # A short or failed write left a part of its line. The newline keeps it from swallowing this record.
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
        self._bytes_left -= len(data)
        self.error = None

    def _remember(self, line: bytes) -> None:
        if len(self.memory) < MEMORY_RECORDS:
            self.memory.append((f"{self.name}-memory-{next(self._numbers):010d}", line))
        else:
            self.state.dropped[UNWRITABLE] += 1

    def _open_segment(self) -> None:
        if not self.is_open:
            self._claim()
        fd = os.open(segment_path(self.folder, self.name, self._segment + 1), _APPEND, 0o600)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._segment += 1
        self._size = 0
        self._torn = False

    def _claim(self) -> None:
        """Lock the journal's name: the lock tells every process that this one lives."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while (lock := lock_file(self.folder, self.name)) < 0:
            # Another process adopted our lock file before we locked it: choose another name.
            self.name = secrets.token_hex(8)
        self._lock_fd = lock
        write_state(self.folder, self.name, self.state)

    def close(self) -> None:
        """Close the files; any process may then adopt what is unshipped. A later record opens a new journal."""
        with self.lock:
            self._reset()

    def after_fork(self) -> None:
        """Start afresh in a forked child: a descriptor that it kept would keep a dead parent's lock."""
        self.lock = threading.RLock()
        self._reset()
