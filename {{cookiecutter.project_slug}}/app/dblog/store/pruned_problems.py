"""Pruning deletes the problems that have no row any more here, and those that are too many."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from itertools import accumulate
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Delete,
    Engine,
    Select,
    and_,
    bindparam,
    delete,
    func,
    select,
)

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
from .many_keys import among

#: How many problems are dropped in a transaction: they have few columns and only two indexes.
DROPPED_PROBLEMS = 1_000
#: Problems are deleted together as long as they have no more users than this, since their users are rows, too.
DELETED_USERS = 1_000
UNDECIDED = and_(LogProblem.status == OPEN, LogProblem.decided_at.is_(None))

# Statements are made once: with rows that are problems of their own each step deletes from all of these tables.
_BEFORE: BindParameter[datetime] = bindparam("before")
_OLD = and_(UNDECIDED, LogProblem.last_seen < _BEFORE)
# An index has the status and the time, so that one condition for both kinds would read the whole table.
_OLD_OF_ALL = and_(LogProblem.status.in_((OPEN, RESOLVED, MUTED)), LogProblem.last_seen < _BEFORE)
_OLDEST = {
    old: select(LogProblem.fingerprint, LogProblem.users)
    .where(old)
    .order_by(LogProblem.last_seen)
    .limit(bindparam("most"))
    for old in (_OLD, _OLD_OF_ALL)
}
#: The tables that have rows of a problem, in the order in which the writer locks them. Counts are deleted by problem
#: since other problems may have rows in the same hours.
_PARTS: dict[type[Model], tuple[ColumnElement[bool], ...]] = {
    LogProblemUser: (),
    LogDecision: (),
    LogProblemHour: (LogProblemHour.hour < _BEFORE,),
    LogProblemDay: (LogProblemDay.day < _BEFORE,),
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
            _delete(connection, names, UNDECIDED, (LogDecision,))
    return len(names)


def delete_problems(connection: Connection, before: datetime, decided_before: datetime | None, most: int) -> int:
    """Delete problems that were last seen before a time, with all that belongs to them; return how many were found.

    A problem that another process sees again at this moment stays.

    :param decided_before: as for :func:`app.dblog.store.retention.prune`
    :param most: how many problems are deleted, at most
    """
    kinds = {_OLD: before}
    if decided_before:
        kinds[_OLD_OF_ALL] = min(before, decided_before)
    for old, time in kinds.items():
        if found := connection.execute(_OLDEST[old], {"before": time, "most": most}).all():
            users = accumulate(each.users for each in found)
            few = [each.fingerprint for each, sum_ in zip(found, users, strict=True) if sum_ <= DELETED_USERS]
            names = few or [found[0].fingerprint]
            _delete(connection, names, old, tuple(_PARTS), time)
            return len(names)
    return 0


def delete_users_of_dropped(connection: Connection, names: Collection[str]) -> None:
    """Delete the users of problems that were dropped, and whose counts pruning has deleted.

    :param names: the fingerprints of the deleted counts
    """
    dialect = connection.dialect.name
    for kept in (LogProblem, LogProblemDay):
        if names:
            names = {*names} - {*connection.scalars(_kept(dialect, kept), {"keys": sorted(names)})}
    if names:
        connection.execute(_deletion(dialect, LogProblemUser), {"keys": sorted(names)})


def _delete(
    connection: Connection,
    names: Sequence[str],
    condition: ColumnElement[bool],
    parts: tuple[type[Model], ...],
    before: datetime | None = None,
) -> None:
    """Delete those of the problems that still meet the condition, with their rows in the tables ``parts``."""
    dialect = connection.dialect.name
    values: dict[str, Any] = {"keys": sorted(names), "before": before}
    if dialect == "postgresql":
        connection.execute(_deletion_at_once(condition, parts), values)
        return
    if connection.execute(_deletion(dialect, LogProblem, condition), values).rowcount < len(names):
        left = connection.scalars(_kept(dialect, LogProblem), values)
        values["keys"] = sorted({*names} - {*left})
    for part in parts:
        connection.execute(_deletion(dialect, part, *_PARTS[part]), values)


@cache
def _kept(dialect: str, model: type[Any]) -> Select[tuple[str]]:
    return select(model.fingerprint).where(among(dialect, model.fingerprint))


@cache
def _deletion(dialect: str, model: type[Any], *conditions: ColumnElement[bool]) -> Delete:
    return delete(model).where(among(dialect, model.fingerprint), *conditions)


@cache
def _deletion_at_once(condition: ColumnElement[bool], parts: tuple[type[Any], ...]) -> Select[Any]:
    """Return one statement for all tables, which only PostgreSQL has: it takes half the time of one for each."""
    problems = _deletion("postgresql", LogProblem, condition)
    gone = problems.returning(LogProblem.fingerprint).cte("gone")
    of_gone = [
        delete(part).where(part.fingerprint == gone.c.fingerprint, *_PARTS[part]).cte(f"of_{part.__tablename__}")
        for part in parts
    ]
    return select(func.count()).select_from(gone).add_cte(*of_gone)
