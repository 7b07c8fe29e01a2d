"""Pruning deletes the problems that have no row any more here, and those that are too many."""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import accumulate

from sqlalchemy import ColumnElement, Connection, Delete, Engine, and_, bindparam, delete, func, select
from sqlalchemy.orm import InstrumentedAttribute

from ...database import Model
from ..models import (
    MUTED,
    OPEN,
    RESOLVED,
    LogDecision,
    LogProblem,
    LogProblemDay,
    LogProblemHour,
    LogProblemUser,
)

#: How many problems are dropped in a transaction: they have few columns and only two indexes.
DROPPED_PROBLEMS = 1_000
#: Problems are deleted together as long as they have no more users than this, since their users are rows, too.
DELETED_USERS = 1_000
UNDECIDED = and_(LogProblem.status == OPEN, LogProblem.decided_at.is_(None))


def _of_problems(fingerprint: InstrumentedAttribute[str], *conditions: ColumnElement[bool]) -> Delete:
    return delete(fingerprint.class_).where(fingerprint.in_(bindparam("names", expanding=True)), *conditions)


# Made once: with rows that are problems of their own each step deletes from all of these. Counts are deleted by problem
# since other problems may have rows in the same hours.
_OF_PROBLEMS: dict[type[Model], Delete] = {
    LogProblemUser: _of_problems(LogProblemUser.fingerprint),
    LogDecision: _of_problems(LogDecision.fingerprint),
    LogProblemHour: _of_problems(LogProblemHour.fingerprint, LogProblemHour.hour < bindparam("before")),
    LogProblemDay: _of_problems(LogProblemDay.fingerprint, LogProblemDay.day < bindparam("before")),
}


def drop_problems(engine: Engine, most: int) -> int:
    """Delete up to 1,000 of the problems beyond the limit, and return how many were found.

    The problems with the fewest rows are deleted, and among equals those not seen for the longest time. If the time
    alone decided, a flood of different texts would drive out all that matters. A problem with a decision stays.

    The rows, counts and users stay: with these a problem that is seen again goes on.

    :param most: how many problems are kept
    """
    with engine.connect() as connection:
        too_many = (connection.scalar(select(func.count()).select_from(LogProblem)) or 0) - most
        if too_many <= 0:
            return 0
        least = select(LogProblem.fingerprint).where(UNDECIDED).order_by(LogProblem.count, LogProblem.last_seen)
        names = connection.scalars(least.limit(min(too_many, DROPPED_PROBLEMS))).all()
    if names:
        with engine.begin() as connection:
            gone = _delete(connection, names, UNDECIDED)
            connection.execute(_OF_PROBLEMS[LogDecision], {"names": gone})
    return len(names)


def delete_problems(connection: Connection, before: datetime, decided_before: datetime | None, most: int) -> int:
    """Delete problems that were last seen before a time, with all that belongs to them; return how many were found.

    A problem that another process sees again at this moment stays.

    :param decided_before: as for :func:`app.dblog.store.retention.prune`
    :param most: how many problems are deleted, at most
    """
    kinds = [(UNDECIDED, before)]
    if decided_before:
        # An index has the status and the time, so that one condition for both kinds would read the whole table.
        kinds.append((LogProblem.status.in_((OPEN, RESOLVED, MUTED)), min(before, decided_before)))
    for kind, time in kinds:
        old = and_(kind, LogProblem.last_seen < time)
        oldest = select(LogProblem.fingerprint, LogProblem.users).where(old).order_by(LogProblem.last_seen)
        if found := connection.execute(oldest.limit(most)).all():
            users = accumulate(each.users for each in found)
            few = [each.fingerprint for each, sum_ in zip(found, users, strict=True) if sum_ <= DELETED_USERS]
            names = few or [found[0].fingerprint]
            gone = _delete(connection, names, old)
            for part in _OF_PROBLEMS.values():
                connection.execute(part, {"names": gone, "before": before})
            return len(names)
    return 0


def delete_users_of_dropped(connection: Connection, names: Collection[str]) -> None:
    """Delete the users of problems that were dropped, and whose counts pruning has deleted.

    :param names: the fingerprints of the deleted counts
    """
    for kept in (LogProblem.fingerprint, LogProblemDay.fingerprint):
        if names:
            names = {*names} - {*connection.scalars(select(kept).where(kept.in_(names)))}
    if names:
        connection.execute(_OF_PROBLEMS[LogProblemUser], {"names": sorted(names)})


def _delete(connection: Connection, names: Sequence[str], condition: ColumnElement[bool]) -> list[str]:
    """Delete those of the problems that still meet the condition, and return which problems are gone."""
    deleted = connection.execute(delete(LogProblem).where(LogProblem.fingerprint.in_(sorted(names)), condition))
    if deleted.rowcount == len(names):
        return sorted(names)
    left = connection.scalars(select(LogProblem.fingerprint).where(LogProblem.fingerprint.in_(names)))
    return sorted({*names} - {*left})
