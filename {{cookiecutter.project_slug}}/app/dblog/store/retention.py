"""Pruning deletes the oldest rows by whole hours, a few in each transaction, and then the counts of those hours.

Any number of processes may prune at once, and any of them may die: every other one goes on with what one has begun.
A problem's count says how often it was seen since it was first seen, so pruning leaves it alone.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import Connection, Delete, Dialect, Engine, Select, bindparam, delete, func, select
from sqlalchemy.dialects.mysql.base import MySQLDialect

from ...database import current_time, hour_of
from .. import limits
from ..models import LogDay, LogEntry, LogHour, LogPosition, LogProblemDay, LogProblemHour
from .many_keys import among
from .pruned_hours import delete_hours
from .pruned_problems import delete_problems, delete_users_of_dropped, drop_problems

#: A transaction deletes few rows, and pauses follow, so that requests of the process hardly wait for the interpreter.
BATCH_ROWS = 200
#: How long after it was last seen a problem with a decision is deleted.
KEPT_IF_DECIDED = timedelta(days=365)

#: How long pruning waits after the start: the first records are shipped first, and a short process does not prune.
START_SECONDS = 1.0
#: How often to look whether there is something to delete.
EVERY_SECONDS = 600.0
#: A round deletes within this time all that it found: an hour later there is more.
ROUND_SECONDS = 3_000.0
#: How often to look how many rows are left: other processes prune, too.
LOOK_SECONDS = 60.0
#: How many times as long as a step the pause after it may be.
REST = 15
RETRY_SECONDS = 30.0
#: How often to look whether there are too many problems.
PROBLEMS_SECONDS = 60.0

# Statements are made once, since each step executes them.
_OLDEST = select(LogEntry.created_at).order_by(LogEntry.created_at).limit(1)
_OLD_POSITIONS = (
    select(LogPosition.journal).where(LogPosition.written_at < bindparam("before")).limit(bindparam("most"))
)

#: SQLite has no clock of its own. The host's clock is believed once it has run evenly for so many seconds. A jump by
#: JUMP_SECONDS against the monotonic clock begins that anew.
EVEN_SECONDS = 600.0
JUMP_SECONDS = 60.0


class Retention:
    """Prunes for the writer: one short step at a time, while there is nothing to ship.

    The more there is to delete, the shorter are the pauses.

    :param days: how long rows are kept; 0 keeps all
    :param max_rows: how many rows are kept; 0 keeps all
    :param max_problems: how many problems are kept; 0 keeps all
    """

    def __init__(self, engine: Engine, days: int, max_rows: int, max_problems: int = 0) -> None:
        self.engine = engine
        self.days = days
        self.max_rows = max_rows
        self.max_problems = max_problems
        self.due = self._problems_due = time.monotonic() + START_SECONDS
        #: The difference between the host's clock and the monotonic one, and since when it has not changed.
        self._offset, self._even_since = time.time() - time.monotonic(), time.monotonic()
        self._cutoff: datetime | None = None
        self._decided_before: datetime | None = None
        self._round_ends = self._look_at = 0.0
        self._seconds_a_row = 0.0

    def step(self) -> float:
        """Delete a few rows if it is time to; returns after how many seconds it is time again."""
        uneven = self._seconds_until_even()
        if time.monotonic() >= self.due:
            self.due = (uneven or self._work()) + time.monotonic()
        if self.max_problems and time.monotonic() >= self._problems_due:
            self._problems_due = self._drop_problems() + time.monotonic()
        next_due = min(self.due, self._problems_due) if self.max_problems else self.due
        return max(0.0, next_due - time.monotonic())

    def _seconds_until_even(self) -> float:
        """Return how many seconds longer the clock must run evenly to be believed; 0 for a database server's clock."""
        if self.engine.dialect.name != "sqlite":
            return 0.0
        now = time.monotonic()
        offset = time.time() - now
        if abs(offset - self._offset) > JUMP_SECONDS:
            self._offset, self._even_since = offset, now
        return max(0.0, self._even_since + EVEN_SECONDS - now)

    def _work(self) -> float:
        started = time.monotonic()
        try:
            if self._cutoff is None or started >= self._round_ends:
                self._begin_round(started)
            if self._cutoff is not None:
                if started >= self._look_at:
                    self._look(self._cutoff, started)
                if prune(self.engine, self._cutoff, self._decided_before) is not None:
                    took = time.monotonic() - started
                    return max(0.0, min(REST * took, BATCH_ROWS * self._seconds_a_row - took))
        except Exception:
            # The database is away or busy. There is no hurry: the writer itself reports that, and must not end here.
            return RETRY_SECONDS
        self._cutoff = None
        return EVERY_SECONDS

    def _drop_problems(self) -> float:
        started = time.monotonic()
        try:
            dropped = drop_problems(self.engine, self.max_problems)
        except Exception:
            return RETRY_SECONDS
        return time.monotonic() - started if dropped else PROBLEMS_SECONDS

    def _begin_round(self, started: float) -> None:
        now = None
        if self.engine.dialect.name == "sqlite":
            # The limit follows the clock as it has run so far, even if the clock jumps at this moment.
            now = datetime.fromtimestamp(started + self._offset, UTC)
        self._cutoff = find_cutoff(self.engine, self.days, self.max_rows, now)
        self._decided_before = year_before(self.engine, now)
        self._round_ends = started + ROUND_SECONDS
        self._look_at = 0.0

    def _look(self, cutoff: datetime, started: float) -> None:
        """Choose the pace at which all rows are deleted by the end of the round."""
        with self.engine.connect() as connection:
            rows = limits.estimate_older(connection, cutoff)
        self._seconds_a_row = (self._round_ends - started) / max(1, rows)
        self._look_at = started + LOOK_SECONDS


def find_cutoff(engine: Engine, days: int, max_rows: int, now: datetime | None = None) -> datetime | None:
    """Return the start of the hour before which all rows are deleted, by :func:`app.dblog.limits.find_cutoffs`.

    None if no row is to be deleted.

    :param now: the time; None is that of the database's clock
    """
    with engine.connect() as connection:
        now = now or current_time(connection)
        return max(limits.find_cutoffs(connection, days, max_rows, now).values(), default=None)


def year_before(engine: Engine, now: datetime | None = None) -> datetime:
    """Return a time a year ago: a problem last seen before it is deleted, whatever was decided about it.

    :param now: as for :func:`find_cutoff`
    """
    with engine.connect() as connection:
        return (now or current_time(connection)) - KEPT_IF_DECIDED


def count_older(engine: Engine, cutoff: datetime) -> int:
    """Return how many rows are from before the cutoff."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).where(LogEntry.created_at < cutoff)) or 0


def prune(engine: Engine, cutoff: datetime, decided_before: datetime | None = None) -> int | None:
    """Delete the oldest 200 rows from before the cutoff, and the problems, counts and places that have no row any more.

    :param cutoff: the start of an hour
    :param decided_before: problems with a decision are deleted if they were last seen before this; None keeps them all
    :return: the number of rows deleted; None if nothing is left to delete
    """
    with engine.begin() as connection:
        dialect = connection.dialect
        ids = connection.scalars(_oldest_rows(_can_skip_locked(dialect)), {"before": cutoff, "most": BATCH_ROWS}).all()
        if ids:
            connection.execute(_deletion(dialect.name), {"keys": ids})
        oldest = connection.scalar(_OLDEST)
        # A record from before this hour may still arrive: the next step finds it, with or without its counts.
        empty_before = min(cutoff, hour_of(oldest)) if oldest else cutoff
        # If each row is a problem of its own, these tables have as much to delete, so each step deletes from them, too.
        before = min(cutoff, oldest) if oldest else cutoff
        # Problems with a decision go when the rows have gone: a year allows a round's delay, and a step one query less.
        problems = delete_problems(connection, before, None if ids else decided_before, most=BATCH_ROWS)
        hours = delete_hours(connection, LogHour, LogDay, empty_before, BATCH_ROWS)
        of_problems = delete_hours(connection, LogProblemHour, LogProblemDay, empty_before, BATCH_ROWS)
        delete_users_of_dropped(connection, {each["fingerprint"] for each in of_problems})
        found = (
            problems
            + len(hours)
            + len(of_problems)
            # Nobody has shipped such a journal to its end. The rows by which a replay knew its records are gone anyway.
            + _delete_positions(connection, cutoff)
        )
    return len(ids) if ids or found else None


def _delete_positions(connection: Connection, before: datetime) -> int:
    """Delete up to 200 places in journals that were written before a time; return how many were found."""
    journals = connection.scalars(_OLD_POSITIONS, {"before": before, "most": BATCH_ROWS}).all()
    if journals:
        old = LogPosition.journal.in_(journals), LogPosition.written_at < before
        connection.execute(delete(LogPosition).where(*old))
    return len(journals)


@cache
def _oldest_rows(skip_locked: bool) -> Select[int]:
    return (
        select(LogEntry.id)
        .where(LogEntry.created_at < bindparam("before"))
        .order_by(LogEntry.created_at)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=skip_locked)
    )


@cache
def _deletion(dialect: str) -> Delete:
    return delete(LogEntry).where(among(dialect, LogEntry.id))


def _can_skip_locked(dialect: Dialect) -> bool:
    """Return whether the database can skip rows that another process is deleting, instead of waiting for them."""
    if isinstance(dialect, MySQLDialect):
        return (dialect.server_version_info or ()) >= ((10, 6) if dialect.is_mariadb else (8,))
    # For SQLite, which has one writer at a time, SQLAlchemy writes no FOR UPDATE at all.
    return True
