"""The writer thread: from the journals to the database, in batches, at its own pace and over its own engine.

Whatever the database does, the caller's thread only ever appends to the journal; here alone is waited and retried.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from sqlalchemy import Engine

from .delivery import deliver, diagnose, is_contention, reason
from .event import internal
from .journal import Journal
from .retention import Retention
from .spool import Event, Reader, State, adopt, parse, quarantine

BATCH = 500
INTERVAL = 0.5
IDLE = 30.0
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
SAY_AGAIN = 60.0

REFUSED = "refused by the database, and quarantine could not be written"

# What wakes the thread: None for a new record, or where to leave the answer to a flush.
News = queue.SimpleQueue[queue.SimpleQueue[bool] | None]


def say(sentence: str) -> None:
    """One line on stderr, where there is one."""
    try:
        print(f"dblog: {sentence}", file=sys.stderr, flush=True)
    except Exception:
        return


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
        self._thread: threading.Thread | None = None
        self._news: News | None = None
        self._awake = False
        self._waiting: list[tuple[tuple[int, int], queue.SimpleQueue[bool]]] = []
        self._until: float | None = None
        self._own: Reader | None = None
        self._adopted: Reader | None = None
        self._adopt_at = 0.0
        self._delay = FIRST_DELAY
        self._said: dict[str, float] = {}
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

    def close(self, timeout: float) -> None:
        """Ship for up to ``timeout`` seconds, then let go of files and connections; the rest stays in the journal."""
        self._until = time.monotonic() + timeout
        if self._thread is not None:
            self.start().put(None)
            # Without an ident it is about to be started, by a daemon thread that the interpreter's end caught there.
            if self._thread.ident is not None:
                self._thread.join(timeout)
        elif self.journal.is_pending():
            self.thread_id = threading.get_ident()
            self._turn()
            self.thread_id = None
        if self._adopted is not None:
            self._adopted.close()
        # In one: a record that another thread logs meanwhile is either seen here or opens a journal of its own.
        with self.journal.lock:
            done = not self.journal.is_pending()
            if lost := len(self.journal.memory):
                say(f"{lost} records are lost: neither the journal nor the database could be written")
            self.journal.close()
            if self._own is not None and done:
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

    # Called by the writer's own thread

    def _run(self) -> None:
        self.thread_id = threading.get_ident()
        pause: float | None = 0.0
        while not self._is_late():
            self._listen(pause)
            pause = self._turn()
        self.engine.dispose()

    def _is_late(self) -> bool:
        return self._until is not None and (time.monotonic() > self._until or not self.journal.is_pending())

    def _listen(self, pause: float | None) -> None:
        """Wait ``pause`` seconds, or with None for the next record; a flush or the end is no reason to wait on.

        Meanwhile old rows are pruned, a few at a time.
        """
        end = time.monotonic() + (IDLE if pause is None else pause)
        if self._until is not None:
            time.sleep(min(pause or 0.0, FIRST_DELAY))
        while self._until is None:
            prune_in = self._retention.step()
            left = max(0.0, end - time.monotonic())
            try:
                news = self.start().get(timeout=min(left, prune_in))
            except queue.Empty:
                if left <= prune_in:
                    return
                continue
            if news is not None:
                self._waiting.append((self.journal.position, news))
                # What dead processes left is looked for at this turn already.
                self._adopt_at = 0.0
                return
            if pause is None:
                return

    def _turn(self) -> float | None:
        """Ship what there is; returns how long to pause, None for until there is more."""
        self._awake = False
        for why in self.journal.state.unreported():
            self._say(f"records are being dropped: {why}")
        try:
            shipped = self._ship()
        except Exception as error:
            self._delay = min(self._delay * 2, LONGEST_DELAY)
            if not is_contention(error) or self._delay == LONGEST_DELAY:
                place = f"in {self.journal.folder}"
                if self.journal.error is not None:
                    place = f"in memory, since the journal cannot be written ({reason(self.journal.error)})"
                self._set_error(f"{diagnose(self.engine, error)}; records wait {place}")
            return self._delay
        self._delay = FIRST_DELAY
        self._set_error(None)
        return INTERVAL if shipped else None

    def _ship(self) -> bool:
        """Batch by batch to the end: the own journal, the memory that stands in for it, then the dead processes'."""
        journal = self.journal
        if self._own is None and journal.is_open:
            self._own = Reader(journal.folder, journal.name, journal.state)
        shipped = caught_up = False
        while not self._is_late():
            if self._own is not None and not caught_up and (count := self._ship_journal(self._own)):
                # What comes from now on makes the next batch, a large one, unless somebody waits for it.
                caught_up = count < BATCH and not self._waiting
                journal.full_until = 0.0
                if not journal.memory:
                    self._answer(journal.state.reached)
            elif not (self._ship_memory() or self._ship_adopted() or self._report_losses(journal.name, journal.state)):
                self._answer(journal.position)
                return shipped
            shipped = True
        return shipped

    def _ship_journal(self, reader: Reader) -> int:
        events = reader.read(BATCH)
        if events:
            try:
                self._deliver(events, reader.replay)
            except Exception:
                reader.rewind()
                reader.replay = True
                raise
        reader.acknowledge()
        return len(events)

    def _ship_memory(self) -> bool:
        memory = self.journal.memory
        lines = [memory[index] for index in range(min(BATCH, len(memory)))]
        if lines:
            # Replayed as a rule: there is no place to note what an ambiguous commit may have stored.
            events = [(event_id, event) for event_id, line in lines if (event := parse(line)) is not None]
            self._deliver(events, replay=True)
            for _ in lines:
                memory.popleft()
        return bool(lines)

    def _ship_adopted(self) -> bool:
        if self._adopted is None and time.monotonic() >= self._adopt_at:
            # One at a time: there may be more than this process may open. Under the lock, for no fork is then half-way.
            with self.journal.lock:
                self._adopted = adopt(self.journal.folder)
            if self._adopted is None:
                self._adopt_at = time.monotonic() + IDLE
        dead = self._adopted
        if dead is not None and not (self._ship_journal(dead) or self._report_losses(dead.name, dead.state)):
            dead.remove()
            self._adopted = None
        return dead is not None

    def _report_losses(self, name: str, state: State) -> bool:
        """A row for what was dropped since the last such row, so that a gap in the log is visible in the log."""
        news = state.unreported()
        if news:
            events = []
            for why, count in sorted(news.items()):
                event_id = f"{name}-lost-{crc32(why.encode()):08x}-{state.reported[why] + count}"
                events.append((event_id, internal(f"{count} records dropped: {why}")))
            self._deliver(events, replay=True)
            state.reported.update(news)
        return bool(news)

    def _deliver(self, events: Sequence[tuple[str, Event]], replay: bool) -> None:
        for event_id, event, error in deliver(self.engine, events, replay, self.root):
            say(f"one record was refused and put in quarantine ({reason(error)})")
            try:
                quarantine(self.journal.folder, event_id, event, reason(error))
            except OSError:
                self.journal.state.dropped[REFUSED] += 1

    # What is wrong, and who is told

    def _set_error(self, sentence: str | None) -> None:
        """Note what is wrong with the database or, with None, with the journal."""
        if sentence is None and self.journal.error is not None:
            sentence = f"the journal cannot be written ({reason(self.journal.error)}); records are kept in memory"
        if sentence is not None:
            self._say(sentence)
        self.journal.state.error = sentence
        if self._own is not None:
            self._own.save()

    def _say(self, sentence: str) -> None:
        """Say it on stderr, the same sentence at most once a minute."""
        now = time.monotonic()
        if now >= self._said.get(sentence, 0.0):
            self._said = {old: again for old, again in self._said.items() if again > now} | {sentence: now + SAY_AGAIN}
            say(sentence)

    def _answer(self, reached: tuple[int, int]) -> None:
        """Tell those whose records are all in the database, once the status says so too."""
        self._set_error(None)
        for waiting in [waiting for waiting in self._waiting if waiting[0] <= reached]:
            self._waiting.remove(waiting)
            waiting[1].put(True)
