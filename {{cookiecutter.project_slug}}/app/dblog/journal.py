"""The crash-safe spool: JSON lines in files that this process alone writes, read back by :mod:`app.dblog.spool`.

A journal called NAME is these files in one folder:

    NAME.lock           held (flock; msvcrt on Windows) as long as its process lives
    NAME.000001.jsonl   segments, appended to with one write a record
    NAME.state          what has been shipped, and what went wrong

The idea (write ahead, bookmark only after success) is Seq's durable log shipping; one journal a process is ours.
"""

import os
import secrets
import threading
import time
from collections import deque
from itertools import count
from pathlib import Path

from .spool import State, lock_file, pending_bytes, segment_path, write_state

SEGMENT_BYTES = 8 * 1024 * 1024
MEMORY_RECORDS = 10_000

FULL = "the journal is full"
UNWRITABLE = "the journal could not be written and memory was full"

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
_sync = getattr(os, "fdatasync", os.fsync)


class Journal:
    """The journal of this process, opened at its first record.

    :param max_bytes: what may wait in the folder, other processes' journals included; records past it are dropped
    :param fsync: wait for the disk at every record, so that it survives power loss too
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
        """Let go of the files and start afresh."""
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self.name = secrets.token_hex(8)
        self.state = State()
        self.memory: deque[tuple[str, bytes]] = deque()
        self.error: OSError | None = None
        self.full_until = 0.0
        self._numbers = count(1)
        self._segment = self._size = self._room = 0
        self._fd = self._lock_fd = -1
        self._due = -1
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
        """Whether something is not in the database yet, the news of a loss included."""
        return bool(self.memory or self.state.unreported()) or self.position > self.state.reached

    def append(self, line: bytes) -> None:
        """Write one line, which then survives the process.

        Where that fails it is kept in memory, and past every bound dropped and counted.
        """
        with self.lock:
            if self._busy:
                # A signal handler or finaliser logs while this very thread is in here: the outer call writes its line.
                self._nested.append(line)
                return
            self._busy = True
            try:
                self._append(line)
                while self._nested:
                    self._append(self._nested.pop(0))
            finally:
                self._busy = False

    def _append(self, line: bytes) -> None:
        self._size, self._due = self._size_now(), -1
        try:
            if len(line) > self._room and self._is_full(len(line)):
                self.state.dropped[FULL] += 1
            else:
                self._write(line)
        except OSError as error:
            landed = self._size_now() == self._due
            if self.fsync or not landed:
                self.error = error
            if not landed:
                self._remember(line)

    def _size_now(self) -> int:
        """Where the last whole line ends: a signal's handler may raise between its writing and our noting it."""
        landed = self._torn and self._fd >= 0 and os.fstat(self._fd).st_size == self._due
        return self._due if landed else self._size

    def _is_full(self, size: int) -> bool:
        """Look how much room there is, and take some: other processes, dead ones too, fill the same folder."""
        if time.monotonic() >= self.full_until:
            wanted = max(size, self._segment_bytes)
            self._room = min(wanted, self.max_bytes - pending_bytes(self.folder))
            self.full_until = time.monotonic() + 1 if size > self._room else 0.0
        return size > self._room

    def _write(self, line: bytes) -> None:
        if self._fd < 0 or self._size >= self._segment_bytes:
            self._open_segment()
        # After a short or failed write the newline keeps what was left of it from swallowing this record.
        data = line
        if self._torn:
            self._size = os.fstat(self._fd).st_size
            data = b"\n" + line
        self._torn, self._due = True, self._size + len(data)
        if os.write(self._fd, data) < len(data):
            os.ftruncate(self._fd, self._size)
            raise OSError("short write")
        if self.fsync:
            _sync(self._fd)
        self._size = self._due
        self._torn = False
        self._room -= len(data)
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
        """Lock the name, which tells everybody that its process lives."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while (lock := lock_file(self.folder, self.name)) < 0:
            # Somebody took the new file for a dead process's.
            self.name = secrets.token_hex(8)
        self._lock_fd = lock
        write_state(self.folder, self.name, self.state)

    def close(self) -> None:
        """Let go of the files: what is unshipped is now anybody's to adopt. A later record opens a new journal."""
        with self.lock:
            self._reset()

    def after_fork(self) -> None:
        """Start afresh in the child, which would keep a dead parent's lock alive if it kept the descriptor."""
        self.lock = threading.RLock()
        self._reset()
