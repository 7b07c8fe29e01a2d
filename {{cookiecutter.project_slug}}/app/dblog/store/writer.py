"""When to ship: the writer thread starts at the first record, makes batches, backs off, flushes and ends.

Whatever the database does, the caller's thread only ever appends to the journal; this thread waits and tries again.
"""

import queue
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...engines import close_connections
from ...terminal import how_many
from ..errors import explain_outage, is_transient, short_error, warn_on_stderr
from ..journal.append import Journal
from ..journal.dead import CHILD_SECONDS
from .retention import Retention
from .shipping import Shipping

BATCH_SECONDS = 0.5
IDLE_SECONDS = 30.0
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.1, 5.0
REPEAT_WARNING_SECONDS = 60.0
#: How long a fork waits for the writer to be done with a batch.
FORK_SECONDS = 0.5

#: Wakes the thread. Items: None says that there is a new record; a queue asks for True to be put into it once all
#: that was logged before is in the database.
Wakeups = queue.SimpleQueue[queue.SimpleQueue[bool] | None]


class Writer:
    """Ships one application's journal, and those of dead processes in the same folder.

    :param engine: the log's own engine, never the application's
    :param root: the project's folder with a separator at its end, to tell its own frames from a library's
    :param keep_days: older rows are deleted; 0 keeps all
    :param keep_rows: beyond this number the oldest rows are deleted; 0 keeps all
    :param storm_rows: see :class:`app.dblog.store.storms.Storms`
    :param keep_problems: beyond this number the problems with the fewest rows are deleted; 0 keeps all
    """

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        root: str,
        keep_days: int = 0,
        keep_rows: int = 0,
        storm_rows: int = 0,
        keep_problems: int = 0,
    ) -> None:
        self.engine = engine
        self.journal = journal
        self.root = root
        self.keep_days = keep_days
        self.keep_rows = keep_rows
        self.storm_rows = storm_rows
        self.keep_problems = keep_problems
        #: Returns why the application's records do not arrive, None if they do.
        self.why_silent: Callable[[], str | None] = lambda: None
        self._reset()

    def _reset(self) -> None:
        self._shipper: threading.Thread | None = None
        self._thread: threading.Thread | None = None
        self._wakeups: Wakeups | None = None
        self._awake = False
        self._flush_requests: list[tuple[tuple[int, int], queue.SimpleQueue[bool]]] = []
        self._deadline: float | None = None
        self._delay = FIRST_DELAY_SECONDS
        self._warn_again_at: dict[str, float] = {}
        self._shipping = Shipping(self.engine, self.journal, self.root, self.storm_rows, self.warn)
        # The thread holds this lock while it uses the database or opens files. A child forked meanwhile could wait for
        # ever for a lock inside the database's library, or keep the lock of a dead process's journal.
        self._in_database = threading.Lock()
        self._fork_waited = False
        self._child_name = ""
        self._retention = Retention(self.engine, self.keep_days, self.keep_rows, self.keep_problems)

    # Called by any thread

    def wake(self) -> None:
        """Tell the thread that there is a new record in the journal; starts the thread if need be."""
        if not self._awake:
            self._awake = True
            self.start().put(None)

    def start(self) -> Wakeups:
        """Start the thread unless it runs; returns the queue that wakes it."""
        with self.journal.lock:
            if self._wakeups is not None:
                return self._wakeups
            # SimpleQueue is re-entrant, unlike Queue and Event: a signal handler may log while its thread is inside
            # put(). The queue is not made earlier: after a server that preloads has forked, gevent replaces the class.
            wakeups: Wakeups = queue.SimpleQueue()
            self._wakeups = wakeups
            self._thread = thread = threading.Thread(target=self._run, name="dblog-writer", daemon=True)
        try:
            # start() waits for the new thread, in which a finaliser may log and wait for the lock: it must be free.
            thread.start()
        except RuntimeError:
            # With too many threads the next record tries again. If the interpreter shuts down, close() ships.
            self._thread = self._wakeups = None
            self._awake = False
        return wakeups

    def is_shipping(self) -> bool:
        """Whether the calling thread is the one that ships."""
        # Idents are not compared: a new thread may get the ident of one that is dead.
        return self._shipper is threading.current_thread()

    def flush(self, timeout: float) -> bool:
        """Ship all that was logged before this call; False if ``timeout`` seconds were not enough."""
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.start().put(answer)
        try:
            return answer.get(timeout=timeout)
        except queue.Empty:
            return False

    def close(self, timeout: float) -> None:
        """Ship for up to ``timeout`` seconds, then close files and connections; the rest stays in the journal."""
        self._deadline = time.monotonic() + timeout
        if self._thread is not None:
            self.start().put(None)
            # A thread without an ident was never started (the interpreter is shutting down): it cannot be joined.
            if self._thread.ident is not None:
                self._thread.join(timeout)
        elif self.journal.is_pending():
            self._shipper = threading.current_thread()
            try:
                self._run_once()
            finally:
                self._shipper = None
        self._shipping.let_go()
        # The lock spans all of this: a record that another thread logs is either seen here or opens a new journal.
        with self.journal.lock:
            done = not self.journal.is_pending()
            if not done:
                self.journal.restore()
            if lost := len(self.journal.memory):
                warn_on_stderr(
                    f"the log loses {how_many(lost, 'record')}: neither the journal nor the database could be written"
                )
                self._shipping.save_state()
            self.journal.close()
            if done:
                self._shipping.remove_own()
        # A thread that still uses a connection closes it itself, at its end.
        if self._thread is None or not self._thread.is_alive():
            with suppress(SQLAlchemyError):
                self._shipping.forget_gone()
            close_connections(self.engine)

    def before_fork(self) -> None:
        """Wait until the process can be forked safely, and choose the name of the child's journal."""
        waited = self._in_database.acquire(timeout=FORK_SECONDS)
        # Without this lock the child could inherit a file that another thread is about to lock.
        self.journal.lock.acquire()
        self._fork_waited = waited
        self._child_name = secrets.token_hex(8)

    def after_fork_in_parent(self) -> None:
        """Watch the child: its journal is shipped soon after it has ended, however it ends."""
        self._shipping.dead.add_child(self._child_name)
        self.journal.lock.release()
        if self._fork_waited:
            self._in_database.release()
        if self._deadline is None:
            self.start()

    def after_fork(self) -> None:
        """Begin afresh in the child: journal, connections and thread stay with the parent."""
        self._shipping.let_go()
        self.journal.after_fork(self._child_name)
        self.engine.dispose(close=False)
        self._reset()

    # Called by the writer's own thread

    def _run(self) -> None:
        self._shipper = threading.current_thread()
        pause: float | None = 0.0
        while not self._should_stop():
            self._wait(pause)
            pause = self._run_once()
        close_connections(self.engine)

    def _should_stop(self) -> bool:
        return self._deadline is not None and (time.monotonic() > self._deadline or not self.journal.is_pending())

    def _wait(self, pause: float | None) -> None:
        """Wait ``pause`` seconds, or with None until the next record; a flush and the end cut the wait short.

        Meanwhile old rows are pruned, a few at a time.
        """
        end = time.monotonic() + (IDLE_SECONDS if pause is None else pause)
        if self._deadline is not None:
            time.sleep(min(pause or 0.0, FIRST_DELAY_SECONDS))
        while self._deadline is None:
            with self._in_database:
                prune_in = self._retention.step()
            left = max(0.0, end - time.monotonic())
            look_in = CHILD_SECONDS if self._shipping.dead.children else left
            try:
                wakeup = self.start().get(timeout=min(left, prune_in, look_in))
            except queue.Empty:
                with self._in_database:
                    ended = self._shipping.child_has_ended()
                if ended or time.monotonic() >= end:
                    return
                continue
            if wakeup is not None:
                self._flush_requests.append((self.journal.position, wakeup))
                self._shipping.dead.list_again()
                return
            if pause is None:
                return

    def _run_once(self) -> float | None:
        """Ship what there is; returns how many seconds to pause, None to wait for the next record."""
        self._awake = False
        for reason in self.journal.state.unreported():
            self.warn(f"records are being dropped: {reason}")
        try:
            shipped = self._ship()
        except Exception as error:
            self._delay = min(self._delay * 2, LONGEST_DELAY_SECONDS)
            self._shipping.dead.list_if_due()
            if not is_transient(error) or self._delay == LONGEST_DELAY_SECONDS:
                place = f"in {self.journal.folder}"
                if self.journal.error is not None:
                    place = f"in memory, since the journal cannot be written ({short_error(self.journal.error)})"
                with self._in_database:
                    outage = explain_outage(self.engine, error)
                self._set_error(f"{outage}; records wait {place}")
            return self._delay
        self._delay = FIRST_DELAY_SECONDS
        self._set_error(None)
        return BATCH_SECONDS if shipped else None

    def _ship(self) -> bool:
        """Ship batch after batch until nothing is left or it is time to stop; return whether anything was shipped."""
        self._shipping.begin()
        shipped = False
        while not self._should_stop():
            before = self.journal.state.reached
            with self._in_database:
                more = self._shipping.ship_batch(hurry=bool(self._flush_requests))
            if not more:
                self._complete_flushes(self.journal.position)
                return shipped
            shipped = True
            # Only a batch of this process's own journal answers a flush, which also waits for dead processes' journals.
            if self.journal.state.reached != before and not self.journal.memory:
                self._complete_flushes(self.journal.state.reached)
        return shipped

    def _complete_flushes(self, reached: tuple[int, int]) -> None:
        """Answer the flushes whose records are all in the database; the status is written first, so that it agrees."""
        completed = [request for request in self._flush_requests if request[0] <= reached]
        if completed:
            self._set_error(None)
        for request in completed:
            self._flush_requests.remove(request)
            request[1].put(True)

    def _set_error(self, sentence: str | None) -> None:
        """Store the sentence that the status shows.

        :param sentence: what is wrong with the database; None stores what else keeps records from it, if anything does
        """
        if sentence is None and self.journal.error is not None:
            error = short_error(self.journal.error)
            sentence = f"the journal cannot be written ({error}); records are kept in memory"
        sentence = sentence or self.why_silent()
        if sentence is not None:
            self.warn(sentence)
        self.journal.state.error = sentence
        self._shipping.save_state()

    def warn(self, sentence: str, kind: str | None = None) -> None:
        """Print a sentence on stderr, at most once a minute for each ``kind``; without one, each sentence is a kind."""
        now, kind = time.monotonic(), kind or sentence
        if now >= self._warn_again_at.get(kind, 0.0):
            waiting = {each: again for each, again in self._warn_again_at.items() if again > now}
            self._warn_again_at = waiting | {kind: now + REPEAT_WARNING_SECONDS}
            warn_on_stderr(sentence)
