"""Pruning: the oldest rows go by whole hours, a few in each transaction, and then the counts of those hours.

Any number of processes may prune at once, and any of them may die: what one has begun, every other goes on with.
A problem's count says how often it was seen since it was first seen, so pruning leaves it alone.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, Engine, delete, func, select
from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.orm import InstrumentedAttribute

from ...database import HOUR, hour_of, utcnow
from ..models import OPEN, LogEntry, LogHour, LogProblem, LogProblemHour

#: Few rows in a transaction, and pauses, so that requests of the same process hardly wait for the interpreter.
BATCH_ROWS = 200

#: The first records of a process go before, and a process that ends at once has no time for this.
START_SECONDS = 1.0
EVERY_SECONDS = 3_600.0
#: How many times longer than a step the pause after it is.
REST = 15
RETRY_SECONDS = 30.0


class Retention:
    """The writer's part: one short step at a time, while it has nothing else to do.

    :param days: how long rows are kept; 0 keeps all
    :param max_rows: how many rows are kept; 0 keeps all
    """

    def __init__(self, engine: Engine, days: int, max_rows: int) -> None:
        self.engine = engine
        self.days = days
        self.max_rows = max_rows
        self.due = time.monotonic() + START_SECONDS
        self._cutoff: datetime | None = None

    def step(self) -> float:
        """Delete a few rows if it is time to; returns in how many seconds it will be."""
        if time.monotonic() >= self.due:
            self.due = self._work() + time.monotonic()
        return max(0.0, self.due - time.monotonic())

    def _work(self) -> float:
        try:
            started = time.monotonic()
            self._cutoff = self._cutoff or find_cutoff(self.engine, self.days, self.max_rows)
            if self._cutoff and prune(self.engine, self._cutoff) is not None:
                return REST * (time.monotonic() - started)
        except Exception:
            # The database is away or busy: there is no hurry, and the writer, which must not end here, says so.
            return RETRY_SECONDS
        self._cutoff = None
        return EVERY_SECONDS


def find_cutoff(engine: Engine, days: int, max_rows: int) -> datetime | None:
    """Return the start of the hour before which all rows are to go; None if none is.

    :param days: rows older than this go, to the hour; 0 keeps all
    :param max_rows: beyond this number the oldest hours go, though never the current one; 0 keeps all
    """
    this_hour = hour_of(utcnow())
    cutoffs = [this_hour - timedelta(days=days)] if days else []
    if max_rows:
        hours = select(LogHour.hour, func.sum(LogHour.count)).group_by(LogHour.hour).order_by(LogHour.hour.desc())
        with engine.connect() as connection:
            kept = 0
            for hour, count in connection.execute(hours):
                kept += count
                if kept > max_rows:
                    cutoffs.append(min(hour + HOUR, this_hour))
                    break
    return max(cutoffs, default=None)


def count_older(engine: Engine, cutoff: datetime) -> int:
    """Return how many rows are from before the cutoff."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).where(LogEntry.created_at < cutoff)) or 0


def prune(engine: Engine, cutoff: datetime) -> int | None:
    """Delete the oldest 200 rows from before the cutoff, and the counts and open problems that have no row any more.

    :param cutoff: the start of an hour
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
        # A late record may still arrive from before this hour: the next step finds it, with or without its counts.
        empty_before = min(cutoff, hour_of(oldest)) if oldest else cutoff
        found = (
            _delete_oldest(
                connection, LogProblem.fingerprint, LogProblem.last_seen, empty_before, LogProblem.status == OPEN
            )
            + _delete_oldest(connection, LogHour.hour, LogHour.hour, empty_before)
            + _delete_oldest(connection, LogProblemHour.fingerprint, LogProblemHour.hour, empty_before)
        )
    return len(ids) if ids or found else None


def _delete_oldest(
    connection: Connection,
    key: InstrumentedAttribute[Any],
    age: InstrumentedAttribute[datetime],
    before: datetime,
    *conditions: ColumnElement[bool],
) -> int:
    """Delete the oldest 200 rows of a table from before a time, with all older ones of the same keys.

    Return how many of the 200 there were. Where another process is deleting the same, this one waits for it.
    """
    oldest = select(key, age).where(age < before, *conditions).order_by(age).limit(BATCH_ROWS)
    found = connection.execute(oldest).all()
    if found:
        keys, newest = {each[0] for each in found}, found[-1][1]
        connection.execute(delete(key.class_).where(key.in_(sorted(keys)), age <= newest, *conditions))
    return len(found)


def _can_skip_locked(dialect: Dialect) -> bool:
    """Whether rows that another process is deleting can be passed over instead of waited for."""
    if isinstance(dialect, MySQLDialect):
        return (dialect.server_version_info or ()) >= ((10, 6) if dialect.is_mariadb else (8,))
    # For SQLite, which has one writer at a time, SQLAlchemy writes no FOR UPDATE at all.
    return True
