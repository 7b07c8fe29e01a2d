"""Rows of muted problems: the condition that leaves them out of a list, and their numbers to subtract from the counts.

A list need not read all muted rows to get past them: the counts by the hour tell which hours have other rows, and of
which problems.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ...database import HOUR, hour_of, utcnow
from ...listing import Cursor
from ..models import MUTED, LogEntry, LogProblem, LogProblemHour
from .filters import Filters

#: How many counts of problems a page reads at most to find the hours with rows that are not muted, and how many it
#: reads at once: mostly a few hours are enough.
COUNTS_READ, COUNTS_AT_ONCE = 2_000, 200


class Hours(NamedTuple):
    """Some hours one after another.

    :ivar names: the fingerprints of all their rows that are not muted
    :ivar edge: the time at which they end, in the direction of the search
    :ivar are_last: whether no row that is not muted follows
    :ivar are_dense: whether there is no hour here because the very next one alone has too many rows
    """

    names: set[str]
    edge: datetime
    are_last: bool = False
    are_dense: bool = False


def fingerprints() -> Select[Any]:
    """Return the query of the fingerprints that are muted at this moment.

    The writer changes the status of a mute whose time is over only when the next record comes. Until then this query
    leaves such a mute out.
    """
    still = or_(LogProblem.muted_until.is_(None), LogProblem.muted_until > utcnow())
    return select(LogProblem.fingerprint).where(LogProblem.status == MUTED, still)


def hides(log: Session, filters: Filters) -> bool:
    """Whether the filter leaves out rows of muted problems, and there are such problems."""
    return filters.hides_muted and log.scalar(fingerprints().limit(1)) is not None


def not_muted(column: Any = LogEntry.fingerprint) -> ColumnElement[bool]:
    """Return the condition that a fingerprint is not muted."""
    condition: ColumnElement[bool] = column.not_in(fingerprints())
    return condition


def counts(moment: InstrumentedAttribute[datetime], times: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Return the query of fingerprint, hour or day, level, logger and number of rows of muted problems.

    :param moment: the time's column of :class:`LogProblemHour` or :class:`LogProblemDay`
    :param times: conditions on that column
    """
    table = moment.class_
    query = select(table.fingerprint, moment, table.level, table.logger, table.count - table.without_row)
    return query.where(table.fingerprint.in_(fingerprints()), *times)


def count_problems(log: Session) -> int:
    """Return how many problems are muted."""
    return log.scalar(select(func.count()).select_from(fingerprints().subquery())) or 0


def next_hours(
    log: Session, filters: Filters, cursor: Cursor, edge: datetime, need: int, most: int, ascending: bool
) -> Hours:
    """Return the next hours, as many as it takes to have the needed number of unmuted rows of the filter.

    The function looks only at the filter's level, logger and times.

    :param cursor: where the search is; the rows of an hour that it divides are not counted as needed, since nobody
        knows how many of them follow
    :param edge: the start of the first hour to look at, or of the one after it if the search goes back
    :param need: how many rows are enough
    :param most: how many rows the hours may have together
    """
    table = LogProblemHour
    shown, rows = not_muted(table.fingerprint).label("shown"), (table.count - table.without_row).label("rows")
    query = select(table.hour, table.fingerprint, table.level, table.logger, rows, shown)
    if ascending:
        query = query.where(table.hour >= edge).order_by(table.hour)
        query = query.where(table.hour < filters.until) if filters.until else query
    else:
        query = query.where(table.hour < edge).order_by(table.hour.desc())
        query = query.where(table.hour >= hour_of(filters.since)) if filters.since else query
    names: set[str] = set()
    total, whole, reached = 0, 0, edge
    # The query returns the muted counts, too: to leave them out, the database might read very many before its limit.
    with log.connection().execute(query.limit(COUNTS_READ)) as found:
        numbered = enumerate(chain.from_iterable(found.partitions(COUNTS_AT_ONCE)), start=1)
        for hour, group in groupby(numbered, key=lambda each: each[1].hour):
            numbers, counts = zip(*group, strict=True)
            if numbers[-1] == COUNTS_READ:
                # The limit may have cut off a part of this hour.
                return Hours(names, reached, are_dense=reached == edge)
            fitting = [each for each in counts if each.shown and _fits(each, filters)]
            rows_of_hour = sum(each.rows for each in fitting)
            total += rows_of_hour
            if total > most:
                return Hours(names, reached, are_dense=reached == edge)
            names |= {each.fingerprint for each in fitting}
            reached = hour + HOUR if ascending else hour
            if not hour < cursor.moment < hour + HOUR:
                whole += rows_of_hour
            if whole >= need:
                return Hours(names, reached)
    return Hours(names, reached, are_last=True)


def _fits(count: Any, filters: Filters) -> bool:
    return count.level >= (filters.level or 0) and filters.logger in (None, count.logger)
