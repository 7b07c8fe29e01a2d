"""Pruning deletes the oldest rows by whole hours, a few in each transaction, and then the counts of those hours.

Any number of processes may prune at once, and any of them may die: every other one goes on with what one has begun.
A problem's count says how often it was seen since it was first seen, so pruning leaves it alone.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    and_,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.orm import InstrumentedAttribute

from ...database import current_time, hour_of
from .. import limits
from ..models import (
    OPEN,
    LogDay,
    LogDecision,
    LogEntry,
    LogHour,
    LogPosition,
    LogProblem,
    LogProblemDay,
    LogProblemHour,
    LogProblemUser,
)
from .pruned_hours import delete_hours

#: A transaction deletes few rows, and pauses follow, so that requests of the process hardly wait for the interpreter.
BATCH_ROWS = 200

#: How many problems are dropped in a transaction: they have few columns and only two indexes.
DROPPED_PROBLEMS = 1_000
#: How long after it was last seen a problem with a decision is deleted.
KEPT_IF_DECIDED = timedelta(days=365)
UNDECIDED = and_(LogProblem.status == OPEN, LogProblem.decided_at.is_(None))

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
        oldest_rows = select(LogEntry.id).where(LogEntry.created_at < cutoff).order_by(LogEntry.created_at)
        ids = connection.scalars(
            oldest_rows.limit(BATCH_ROWS).with_for_update(skip_locked=_can_skip_locked(connection.dialect))
        ).all()
        if ids:
            connection.execute(delete(LogEntry).where(LogEntry.id.in_(ids)))
        oldest = connection.scalar(select(LogEntry.created_at).order_by(LogEntry.created_at).limit(1))
        # A record from before this hour may still arrive: the next step finds it, with or without its counts.
        empty_before = min(cutoff, hour_of(oldest)) if oldest else cutoff
        # If each row is a problem of its own, these tables have as much to delete, so each step deletes from them, too.
        found = (
            _delete_problems(connection, min(cutoff, oldest) if oldest else cutoff, decided_before)
            + delete_hours(connection, LogHour, LogDay, empty_before, BATCH_ROWS)
            + delete_hours(connection, LogProblemHour, LogProblemDay, empty_before, BATCH_ROWS)
            # Nobody has shipped such a journal to its end. The rows by which a replay knew its records are gone anyway.
            + _delete_oldest(connection, LogPosition.journal, LogPosition.written_at, cutoff)
        )
    return len(ids) if ids or found else None


def drop_problems(engine: Engine, most: int) -> int:
    """Delete up to 1,000 of the problems beyond the limit, and return how many were deleted.

    The problems with the fewest rows are deleted, and among equals those not seen for the longest time. If the time
    alone decided, a flood of different texts would drive out all that matters. A problem with a decision stays.

    :param most: how many problems are kept
    """
    with engine.connect() as connection:
        too_many = (connection.scalar(select(func.count()).select_from(LogProblem)) or 0) - most
    if too_many <= 0:
        return 0
    with engine.begin() as connection:
        least = select(LogProblem.fingerprint).where(UNDECIDED).order_by(LogProblem.count, LogProblem.last_seen)
        names = connection.scalars(least.limit(min(too_many, DROPPED_PROBLEMS))).all()
        connection.execute(delete(LogProblem).where(LogProblem.fingerprint.in_(sorted(names)), UNDECIDED))
        _delete_parts(connection, names)
    return len(names)


def _delete_problems(connection: Connection, before: datetime, decided_before: datetime | None) -> int:
    """Delete up to 200 problems that were last seen before a time, and their counts; return how many were found.

    A problem that another process sees again at this moment stays.
    """
    decided = UNDECIDED if decided_before is None else or_(UNDECIDED, LogProblem.last_seen < decided_before)
    gone = and_(LogProblem.last_seen < before, decided)
    names = connection.scalars(
        select(LogProblem.fingerprint).where(gone).order_by(LogProblem.last_seen).limit(BATCH_ROWS)
    ).all()
    if names:
        connection.execute(delete(LogProblem).where(LogProblem.fingerprint.in_(sorted(names)), gone))
        _delete_parts(connection, names)
        # Their counts are deleted by problem, since other problems may still have rows in the same hours.
        for of_problem, age in (
            (LogProblemHour.fingerprint, LogProblemHour.hour),
            (LogProblemDay.fingerprint, LogProblemDay.day),
        ):
            connection.execute(delete(of_problem.class_).where(of_problem.in_(sorted(names)), age < before))
    return len(names)


def _delete_parts(connection: Connection, names: Sequence[str]) -> None:
    """Delete the users and the history of those of the problems that are gone."""
    left = select(LogProblem.fingerprint).where(LogProblem.fingerprint.in_(names))
    for of_problem in (LogProblemUser.fingerprint, LogDecision.fingerprint):
        gone = of_problem.in_(sorted(names)), of_problem.not_in(left)
        connection.execute(delete(of_problem.class_).where(*gone))


def _delete_oldest(
    connection: Connection, key: InstrumentedAttribute[Any], age: InstrumentedAttribute[datetime], before: datetime
) -> int:
    """Delete the oldest 200 rows of a table from before a time, with all older ones of the same keys.

    Return how many rows were found, at most 200. If another process is deleting the same rows, this one waits for it.
    """
    oldest = select(key, age).where(age < before).order_by(age).limit(BATCH_ROWS)
    found = connection.execute(oldest).all()
    if found:
        keys, newest = {each[0] for each in found}, found[-1][1]
        connection.execute(delete(key.class_).where(key.in_(sorted(keys)), age <= newest))
    return len(found)


def _can_skip_locked(dialect: Dialect) -> bool:
    """Return whether the database can skip rows that another process is deleting, instead of waiting for them."""
    if isinstance(dialect, MySQLDialect):
        return (dialect.server_version_info or ()) >= ((10, 6) if dialect.is_mariadb else (8,))
    # For SQLite, which has one writer at a time, SQLAlchemy writes no FOR UPDATE at all.
    return True
