"""Rows older than the log keeps go, with their counts: few a transaction, one process at a time across all hosts.

Whoever prunes holds a lease, a row of the log's own database. It is renewed with each transaction and runs out by
itself, so a dead holder blocks nobody for longer; and because taking it locks its row, no two ever count the same
rows away, not even on hosts whose clocks differ.
"""

import secrets
import time
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import Connection, Delete, Engine, Table, Update, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from ...database import utcnow
from ..models import LogEntry, LogHour, LogLease, LogProblem, LogProblemHour, hour_of

#: Few, and with pauses, so that requests of the same process hardly ever wait for their turn of the interpreter.
BATCH = 200
LEASE = timedelta(seconds=60)
NAME = "retention"
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)

#: The first records of a process go first, and one that ends at once has no time for this.
START_SECONDS = 1.0
EVERY_SECONDS = 3_600.0
#: How many times longer than a step the pause after it is.
REST = 15
RETRY_SECONDS = 30.0

_entry, _problem, _hour, _problem_hour, _lease = (
    LogEntry.metadata.tables[model.__tablename__] for model in (LogEntry, LogProblem, LogHour, LogProblemHour, LogLease)
)
# Statements are made once: to put one together takes SQLAlchemy longer than to run it.
_OLDEST = (
    select(_entry.c.id, _entry.c.created_at, _entry.c.level, _entry.c.logger, _entry.c.fingerprint)
    .where(_entry.c.created_at >= bindparam("reached"), _entry.c.created_at < bindparam("before"))
    .order_by(_entry.c.created_at, _entry.c.id)
    .limit(bindparam("most"))
)
_DELETE = delete(_entry).where(_entry.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True)
class Pruned:
    """What one transaction deleted: how many rows, and the time of the newest of them."""

    rows: int
    reached: datetime | None

    @property
    def done(self) -> bool:
        return self.rows < BATCH


class Retention:
    """The writer's part: one short step at a time, while it has nothing else to do.

    :param days: how long rows are kept; 0 keeps all
    """

    def __init__(self, engine: Engine, days: int) -> None:
        self.engine = engine
        self.days = days
        self.due = time.monotonic() + START_SECONDS
        self._holder = new_holder()
        self._reached: datetime | None = None

    def step(self) -> float:
        """Delete a few rows if it is time to; returns in how many seconds it will be."""
        if time.monotonic() >= self.due:
            self.due = self._work() + time.monotonic()
        return max(0.0, self.due - time.monotonic())

    def _work(self) -> float:
        try:
            before = utcnow() - timedelta(days=self.days)
            if not self.days or not has_older(self.engine, before):
                return EVERY_SECONDS
            started = time.monotonic()
            pruned = prune(self.engine, before, self._holder, self._reached)
        except Exception:
            # The database is away or busy: there is no hurry, and the writer, which must not end here, says so.
            return RETRY_SECONDS
        if pruned is None:
            return RETRY_SECONDS
        self._reached = None if pruned.done else pruned.reached
        return EVERY_SECONDS if pruned.done else REST * (time.monotonic() - started)


def new_holder() -> str:
    return secrets.token_hex(16)


def has_older(engine: Engine, before: datetime) -> bool:
    with engine.connect() as connection:
        oldest = connection.scalar(select(_entry.c.created_at).order_by(_entry.c.created_at).limit(1))
    return oldest is not None and oldest < before


def prune(engine: Engine, before: datetime, holder: str, reached: datetime | None = None) -> Pruned | None:
    """Delete the oldest rows from ``before`` a time, at most :data:`BATCH`; None while somebody else prunes.

    :param holder: names the caller to the lease; the same for all its calls, see :func:`new_holder`
    :param reached: where the last call came to, so that the next need not pass what is gone
    """
    with engine.begin() as connection:
        if not _take_lease(connection, holder):
            return None
        rows = connection.execute(_OLDEST, {"reached": reached or BEGINNING, "before": before, "most": BATCH}).all()
        if rows:
            connection.execute(_DELETE, {"ids": [row.id for row in rows]})
            # The order in which the writers take the same locks, see store.py.
            facts = [(row.fingerprint, hour_of(row.created_at), row.level, row.logger) for row in rows]
            _subtract(connection, _hour, ((hour, level, logger) for _, hour, level, logger in facts))
            _subtract(connection, _problem_hour, ((fingerprint, hour) for fingerprint, hour, *_ in facts))
        if len(rows) < BATCH:
            connection.execute(update(_lease).where(_lease.c.name == NAME).values(expires_at=utcnow()))
    return Pruned(len(rows), rows[-1].created_at if rows else None)


def _take_lease(connection: Connection, holder: str) -> bool:
    now = utcnow()
    mine = {"holder": holder, "expires_at": now + LEASE}
    free = or_(_lease.c.holder == holder, _lease.c.expires_at <= now)
    if connection.execute(update(_lease).where(_lease.c.name == NAME, free).values(mine)).rowcount:
        return True
    if connection.scalar(select(_lease.c.name).where(_lease.c.name == NAME)):
        return False
    try:
        with connection.begin_nested():
            connection.execute(insert(_lease).values(name=NAME, **mine))
    except IntegrityError:
        return False
    return True


def _subtract(connection: Connection, table: Table, keys: Iterable[tuple[Hashable, ...]]) -> None:
    """Count rows away, and delete the counts that reach nothing.."""
    names = [f"key_{column.name}" for column in table.primary_key]
    counts = sorted(Counter(keys).items(), key=lambda item: item[0])
    values = [{"n": count, **dict(zip(names, key, strict=True))} for key, count in counts]
    for statement in _subtraction(table):
        connection.execute(statement, values)


@cache
def _subtraction(table: Table) -> tuple[Update, Delete]:
    here = [column == bindparam(f"key_{column.name}") for column in table.primary_key]
    empty = [*here, table.c["count"] <= 0]
    return update(table).where(*here).values(count=table.c["count"] - bindparam("n")), delete(table).where(*empty)
