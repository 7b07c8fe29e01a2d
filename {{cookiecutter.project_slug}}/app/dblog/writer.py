"""The writer thread: from the journals to the database, in batches, at its own pace and over its own engine.

Whatever the database does, the caller's thread only ever appends to the journal; here alone is waited and retried.
"""

import os
import queue
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import DBAPIError

from .event import internal
from .journal import Journal
from .models import LogEntry
from .plain import text
from .retention import Retention
from .rows import Row, make_row
from .spool import Event, Reader, State, adopt, parse, quarantine, unshipped
from .store import store

BATCH = 500
INTERVAL = 0.5
IDLE = 30.0
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
SAY_AGAIN = 60.0

REFUSED = "refused by the database, and quarantine could not be written"

# What the same statements may overcome in a moment: somebody's lock, a row that was stored meanwhile (it is known at
# the next try), a server that stops, a full disk. Classes of SQLSTATE, and MySQL's and SQLite's numbers for the like.
_PASSING_CLASSES = {"40", "53", "55", "57", "58"}
_PASSING = {"23505", 1020, 1021, 1062, 1114, 1205, 1213, 3024}
_SQLITE_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_SQLITE_DUPLICATE = sqlite3.SQLITE_CONSTRAINT_UNIQUE

# What wakes the thread: None for a new record, or where to leave the answer to a flush.
News = queue.SimpleQueue[queue.SimpleQueue[bool] | None]


class Unavailable(Exception):
    """The database takes no row at present; the journal keeps them."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


def say(sentence: str) -> None:
    """One line on stderr, where there is one."""
    try:
        print(f"dblog: {sentence}", file=sys.stderr, flush=True)
    except Exception:
        return


def is_contention(error: BaseException) -> bool:
    """Whether the same statements may succeed in a moment, mostly since somebody else's lock was in the way."""
    cause = getattr(error, "orig", None)
    state = getattr(cause, "sqlstate", None) or ""
    if state[:2] in _PASSING_CLASSES or not _PASSING.isdisjoint({state, *getattr(cause, "args", ())[:1]}):
        return True
    code = getattr(cause, "sqlite_errorcode", 0)
    return code & 0xFF in _SQLITE_PASSING or code == _SQLITE_DUPLICATE


class Writer:
    """Ships one application's journal, and those of dead processes in the same folder.

    :param engine: the log's own engine, never the application's
    :param root: the project's folder, to tell its own frames from a library's
    :param keep_days: older rows are deleted; 0 keeps all
    """

    def __init__(self, engine: Engine, journal: Journal, root: Path, keep_days: int = 0) -> None:
        self.engine = engine
        self.journal = journal
        self.root = os.path.join(root, "")
        self.keep_days = keep_days
        self._reset()

    def _reset(self) -> None:
        self.thread_id: int | None = None
        self.error: str | None = None
        self._thread: threading.Thread | None = None
        self._news: News | None = None
        self._awake = False
        self._waiting: list[tuple[int, queue.SimpleQueue[bool]]] = []
        self._until: float | None = None
        self._own: Reader | None = None
        self._unopened = State()
        self._adopted: Reader | None = None
        self._adopt_at = 0.0
        self._refused: set[str] = set()
        self._delay = FIRST_DELAY
        self._said: dict[str, float] = {}
        self._said_dropped: Counter[str] = Counter()
        self._retention = Retention(self.engine, self.keep_days)

    # Called by any thread

    def put(self, line: bytes) -> None:
        """Append one line to the journal and see to it that it is shipped."""
        self.journal.append(line)
        if not self._awake:
            self._awake = True
            self.start().put(None)

    def start(self) -> News:
        """Start the thread, unless it runs; returns where to leave news for it."""
        with self.journal.lock:
            if self._news is not None:
                return self._news
            # SimpleQueue, not Queue or Event: a signal handler may log while this very thread is inside put().
            # Made here and not earlier: gevent replaces it between a preloading server's fork and the first request.
            news: News = queue.SimpleQueue()
            self._news = news
            self._thread = thread = threading.Thread(target=self._run, name="dblog-writer", daemon=True)
        try:
            # Without the lock: a finaliser that logs in the new thread would wait for it, and this one for that thread.
            thread.start()
        except RuntimeError:
            # Too many threads: the next record tries again. The interpreter shuts down: close() ships what it can.
            self._thread = self._news = None
            self._awake = False
        return news

    def flush(self, timeout: float) -> bool:
        """Ship all that was logged before this call; False if ``timeout`` seconds were not enough."""
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.start().put(answer)
        try:
            return answer.get(timeout=timeout)
        except queue.Empty:
            return False

    def adopt_now(self) -> None:
        """Look for dead processes' journals at the next turn already."""
        self._adopt_at = 0.0

    def close(self, timeout: float) -> None:
        """Ship for up to ``timeout`` seconds, then let go of files and connections; the rest stays in the journal."""
        self._until = time.monotonic() + timeout
        if self._thread is not None:
            self.start().put(None)
            # Without an ident it is about to be started, by a daemon thread that the interpreter's end caught there.
            if self._thread.ident is not None:
                self._thread.join(timeout)
        elif self._is_pending():
            self.thread_id = threading.get_ident()
            self._turn()
            self.thread_id = None
        if self._adopted is not None:
            self._adopted.close()
        # In one: a record that another thread logs meanwhile is either seen here or opens a journal of its own.
        with self.journal.lock:
            self.journal.close()
            if self._own is not None and not unshipped(self._own.folder, self._own.name):
                self._own.remove()
        # While the thread still uses a connection, it alone can close it, and does so at its end.
        if self._thread is None or not self._thread.is_alive():
            self.engine.dispose()

    def after_fork(self) -> None:
        """Leave everything to the parent, its connections too, and start afresh in the child."""
        if self._adopted is not None:
            self._adopted.close()
        self.journal.after_fork()
        self.engine.dispose(close=False)
        self._reset()

    def losses(self) -> Counter[str]:
        """How many records this process lost since it started, by reason."""
        return Counter(self._state().losses()) | self.journal.dropped

    def _is_pending(self) -> bool:
        shipped = self._own.acknowledged if self._own else 0
        return bool(self.journal.memory) or self.journal.written > shipped

    # Called by the writer's own thread

    def _run(self) -> None:
        self.thread_id = threading.get_ident()
        pause: float | None = 0.0
        while not self._is_late():
            self._listen(pause)
            pause = self._turn()
        self.engine.dispose()

    def _is_late(self) -> bool:
        return self._until is not None and (time.monotonic() > self._until or not self._is_pending())

    def _listen(self, pause: float | None) -> None:
        """Wait ``pause`` seconds, or with None for the next record; a flush or the end is no reason to wait on."""
        end = time.monotonic() + (IDLE if pause is None else pause)
        if self._until is not None:
            time.sleep(min(pause or 0.0, FIRST_DELAY))
        while self._until is None:
            try:
                news = self.start().get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return
            if news is not None:
                self._waiting.append((self.journal.written, news))
                return
            if pause is None:
                return

    def _turn(self) -> float | None:
        """Ship what there is; returns how long to pause, None for until there is more."""
        self._awake = False
        for why in self.journal.dropped - self._said_dropped:
            say(f"records are being dropped: {why}")
            self._said_dropped[why] = self.journal.dropped[why]
        try:
            shipped = self._ship()
        except Exception as error:
            return self._failed(error.reason if isinstance(error, Unavailable) else error)
        self._delay = FIRST_DELAY
        self._set_error(self._journal_trouble())
        pause = INTERVAL if shipped or self.journal.memory else None
        return pause if self._until is not None else self._retention.step() or pause

    def _ship(self) -> bool:
        """Batch by batch to the end: the own journal, the memory that stands in for it, then the dead processes'."""
        self._open_reader()
        shipped = False
        while not self._is_late():
            if self._own is not None and self._ship_journal(self._own):
                self.journal.shipped = self._own.acknowledged
                if not self.journal.memory:
                    self._answer(self._own.acknowledged)
            elif not (self._ship_memory() or self._ship_adopted() or self._report_losses(self._own)):
                self._answer(self.journal.written)
                return shipped
            shipped = True
        return shipped

    def _open_reader(self) -> None:
        if self._own is None and self.journal.name is not None:
            self._own = Reader(self.journal.folder, self.journal.name)
            self._own.state.reported = self._unopened.reported

    def _ship_journal(self, reader: Reader) -> bool:
        events = reader.read(BATCH)
        if events:
            try:
                self._deliver(self._rows(events), reader.replay)
            except Exception:
                reader.rewind()
                reader.replay = True
                raise
        reader.acknowledge()
        self._refused.clear()
        return bool(events)

    def _ship_memory(self) -> bool:
        memory = self.journal.memory
        lines = [memory[index] for index in range(min(BATCH, len(memory)))]
        if lines:
            # Replayed as a rule: there is no place to note what an ambiguous commit may have stored.
            events = [(event_id, event) for event_id, line in lines if (event := parse(line)) is not None]
            self._deliver(self._rows(events), replay=True)
            for _ in lines:
                memory.popleft()
        return bool(lines)

    def _ship_adopted(self) -> bool:
        if self._adopted is None and time.monotonic() >= self._adopt_at:
            # One at a time: there may be more than this process may open. Under the lock, for no fork is then half-way.
            with self.journal.lock:
                self._adopted = next(adopt(self.journal.folder, besides=self.journal.name), None)
            if self._adopted is None:
                self._adopt_at = time.monotonic() + IDLE
        if self._adopted is None:
            return False
        if not self._ship_journal(self._adopted) and not self._report_losses(self._adopted):
            self._adopted.remove()
            self._adopted = None
        return True

    def _report_losses(self, reader: Reader | None) -> bool:
        """A row for what was dropped since the last such row, so that a gap in the log is visible in the log."""
        state, name = (reader.state, reader.name) if reader else (self._unopened, self.journal.token)
        if reader is self._own:
            state.dropped = dict(self.journal.dropped)
        losses = state.losses()
        news = losses - Counter(state.reported)
        if not news:
            return False
        events = [
            (f"{name}-lost-{crc32(why.encode()):08x}-{losses[why]}", internal(f"{count} records dropped: {why}"))
            for why, count in sorted(news.items())
        ]
        self._deliver(self._rows(events), replay=True)
        state.reported = dict(losses)
        if reader:
            reader.save()
        return True

    def _rows(self, events: Sequence[tuple[str, Event]]) -> list[Row]:
        rows = []
        for event_id, event in events:
            try:
                rows.append(make_row(event_id, event, self.root))
            except Exception as error:
                self._quarantine(event_id, event, error)
        return rows

    def _deliver(self, rows: Sequence[Row], replay: bool) -> None:
        """Commit all rows but those refused for what is in them; raises Unavailable if the database takes none."""
        try:
            with self.engine.begin() as connection:
                store(connection, rows, replay)
            return
        except Exception as error:
            if is_contention(error) or _is_disconnect(error) or not self._accepts_rows():
                raise Unavailable(error) from error
            refusal = error
        if not replay:
            self._deliver(rows, replay=True)
        elif len(rows) > 1:
            half = len(rows) // 2
            self._deliver(rows[:half], replay=True)
            self._deliver(rows[half:], replay=True)
        else:
            self._quarantine(rows[0]["event_id"], rows[0], refusal)

    def _accepts_rows(self) -> bool:
        """Whether a harmless row would be taken: then the fault is in the data, else in the database or its tables."""
        probe = make_row("probe", internal("probe"), self.root)
        try:
            with self.engine.connect() as connection:
                store(connection, [probe], replay=False)
                connection.rollback()
            return True
        except Exception:
            return False

    def _quarantine(self, event_id: str, content: Row | Event, error: Exception) -> None:
        if event_id in self._refused:
            return
        self._refused.add(event_id)
        say(f"one record was refused and put in quarantine ({reason(error)})")
        try:
            quarantine(self.journal.folder, event_id, content, reason(error))
        except OSError:
            self.journal.dropped[REFUSED] += 1

    # What went wrong, and who is told

    def _state(self) -> State:
        return self._own.state if self._own is not None else self._unopened

    def _failed(self, error: BaseException) -> float:
        """Note and say what is wrong; returns the seconds to wait before the next try."""
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        if not is_contention(error) or self._delay == LONGEST_DELAY:
            self._set_error(self._diagnose(error))
        return self._delay

    def _diagnose(self, error: BaseException) -> str:
        try:
            missing = not inspect(self.engine).has_table(LogEntry.__tablename__)
        except Exception:
            return f"the log database cannot be reached ({reason(error)}); records wait in {self.journal.folder}"
        if missing:
            return f"the log's tables are missing: run `flask db upgrade`; records wait in {self.journal.folder}"
        return f"the log database takes no rows ({reason(error)}); records wait in {self.journal.folder}"

    def _journal_trouble(self) -> str | None:
        error = self.journal.error
        return f"the journal cannot be written ({reason(error)}); records are kept in memory" if error else None

    def _set_error(self, sentence: str | None) -> None:
        self.error = sentence
        now = time.monotonic()
        if sentence is not None and now >= self._said.get(sentence, 0.0):
            self._said = {old: again for old, again in self._said.items() if again > now} | {sentence: now + SAY_AGAIN}
            say(sentence)
        state = self._state()
        if (state.error, state.dropped) != (sentence, dict(self.journal.dropped)):
            state.error, state.dropped = sentence, dict(self.journal.dropped)
            if self._own is not None:
                self._own.save()

    def _answer(self, reached: int) -> None:
        """Tell those whose records are all in the database, once the status says so too."""
        self._set_error(self._journal_trouble())
        for waiting in [waiting for waiting in self._waiting if waiting[0] <= reached]:
            self._waiting.remove(waiting)
            waiting[1].put(True)


def reason(error: BaseException) -> str:
    """The error in one short line, without the statement and without secrets."""
    cause = getattr(error, "orig", None) or error
    return text(" ".join(f"{type(cause).__name__}: {cause}".split()), 200)


def _is_disconnect(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated
