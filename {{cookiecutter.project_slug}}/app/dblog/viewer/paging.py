"""The search for the rows of a page: along an index, towards older or newer rows.

A filter without an index is searched row by row, at most :data:`SEARCH_ROWS` rows a page. Where rows of muted problems
are left out, hours that have no other rows are skipped.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from heapq import nlargest, nsmallest
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    String,
    and_,
    any_,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from ...database import HOUR, hour_of
from ...listing import Cursor
from ..models import SEARCH_CHARACTERS, LogEntry, LogProblem
from . import muted
from .filters import Filters

#: A search along an index reads a quarter as many rows: each is a random read.
SEARCH_ROWS = 2_000
#: If problems are muted, a search reads so many pages of rows before it asks the counts which hours have other rows.
UNMUTED_FIRST = 4
#: How often a page asks the counts.
SKIPS = 3
#: How many keys of unmuted rows are read of some hours at once. An hour with more is read row by row: its muted rows
#: are few, or stand in short runs.
DENSE_ROWS = 20_000

_NO_WHOLE_TABLE = "SELECT " + ", ".join(
    f"set_config('enable_{plan}', 'off', true)" for plan in ("hashjoin", "material", "mergejoin")
)

Condition = ColumnElement[bool]
Entry = Row[Any]


class Source(NamedTuple):
    """The rows that have one value in a column, which an index has in the order of time."""

    column: InstrumentedAttribute[Any]
    value: Any

    def condition(self, log: Session) -> Condition:
        value: Any = self.value
        if log.get_bind().dialect.name == "postgresql":
            # If many rows have the value, PostgreSQL expects to find it soon along the time, and reads all rows since
            # the last one that has it. It knows that `= value` leaves nothing to sort by the column, but not that an
            # array of one value does.
            value = any_(literal([value], ARRAY(self.column.type)))
        condition: Condition = self.column == value
        return condition


#: Rows, and where a bounded search stopped; None if it saw everything there is.
Found = tuple[Sequence[Entry], Cursor | None]


def search(
    log: Session, filters: Filters, columns: Sequence[Any], cursor: Cursor | None, size: int, *, ascending: bool
) -> Found:
    """Return up to ``size`` rows past the cursor, one more row if there are more, and where the search stopped."""
    sources, rest = indexed_conditions(log, filters)
    scan = partial(_scan, log, filters, sources, columns=columns, count=size + 1, ascending=ascending)
    most_along = SEARCH_ROWS if sources == [None] else SEARCH_ROWS // 4
    most = most_along if rest else size + 1
    if not muted.hides(log, filters):
        return scan(rest, cursor, most)
    shown = [*rest, muted.not_muted()]
    found, end = scan(shown, cursor, most if rest else UNMUTED_FIRST * most)
    edge: datetime | None = None
    # A user has few rows, and the counts do not know which. If each row must be looked at, one skip is enough.
    for _ in range(0 if filters.user is not None else 1 if rest else SKIPS):
        left = size + 1 - len(found)
        if end is None or left <= 0:
            break
        edge = edge or hour_of(end.moment) + (timedelta() if ascending else HOUR)
        is_plain = not rest and sources == [None]
        most_rows = DENSE_ROWS if is_plain else SEARCH_ROWS // 4
        hours = muted.next_hours(log, filters, end, edge, most_rows if rest else left, most_rows, ascending)
        if hours.are_dense and rest:
            break
        if hours.are_dense:
            more, end = scan(shown, end, most_along)
            edge = None
        else:
            edge = hours.edge
            more = _of_problems(log, filters, rest, hours, end, columns, left, ascending)
            end = None if hours.are_last else Cursor(edge, 0)
        found = [*found, *more[:left]]
    return found, end if len(found) <= size else None


def _scan(
    log: Session,
    filters: Filters,
    sources: Sequence[Source | None],
    rest: Sequence[Condition],
    cursor: Cursor | None,
    most: int,
    *,
    columns: Sequence[Any],
    count: int,
    ascending: bool,
) -> Found:
    """Return up to ``count`` matching rows of the next ``most`` along the indexes, and where the search stopped."""
    if rest and log.get_bind().dialect.name == "postgresql":
        # PostgreSQL is made to read the candidates one by one: its own plan reads a whole table, ten times as slow.
        log.connection().exec_driver_sql(_NO_WHOLE_TABLE)
    limits = times(filters, cursor, ascending)
    # The limit applies to the candidates, not to the matches: no database can look for these in the whole table.
    keys = [keys_of(log, source, limits, ascending).limit(most) for source in sources]
    matches = and_(true(), *rest).label("matches")
    if len(keys) == 1:
        ordered = keys[0]
        candidates = ordered.add_columns(matches)
    else:
        every = union_all(*(select(part.subquery()) for part in keys)).subquery()
        ordered = select(every).order_by(*order(every.c, ascending)).limit(most)
        merged = ordered.subquery()
        candidates = select(merged, matches).join(LogEntry, LogEntry.id == merged.c.id)
        candidates = candidates.order_by(*order(merged.c, ascending)).limit(most)
    found = candidates.subquery()
    query = (
        select(*columns)
        .join_from(found, LogEntry, LogEntry.id == found.c.id)
        .where(found.c.matches)
        .order_by(*order(found.c, ascending))
        .limit(count)
    )
    entries = log.execute(query).all()
    if not rest or len(entries) == count:
        return entries, None
    last = log.execute(ordered.limit(1).offset(most - 1)).first()
    return entries, Cursor.of(last) if last else None


def _of_problems(
    log: Session,
    filters: Filters,
    rest: Sequence[Condition],
    hours: muted.Hours,
    cursor: Cursor,
    columns: Sequence[Any],
    count: int,
    ascending: bool,
) -> Sequence[Entry]:
    """Return up to ``count`` of the next rows, those of the problems that ``hours`` names."""
    edge = LogEntry.created_at < hours.edge if ascending else LogEntry.created_at >= hours.edge
    conditions = [LogEntry.fingerprint.in_(hours.names), edge, *times(filters, cursor, ascending), *rest]
    # These expressions keep a database from using the columns' indexes, which have the muted rows as well.
    if filters.level is not None:
        conditions.append(LogEntry.level + 0 >= filters.level)
    if filters.logger is not None:
        conditions.append(func.substr(LogEntry.logger, 1, type_=String) == filters.logger)
    # Python sorts the keys: to save the sorting, a database might read along the time, through all muted rows again.
    keys = log.execute(select(LogEntry.created_at, LogEntry.id).where(*conditions)).all() if hours.names else []
    chosen = [key.id for key in (nsmallest if ascending else nlargest)(count, keys)]
    if not chosen:
        return []
    return log.execute(select(*columns).where(LogEntry.id.in_(chosen)).order_by(*order(LogEntry, ascending))).all()


def indexed_conditions(log: Session, filters: Filters) -> tuple[list[Source | None], list[Condition]]:
    """Return what to search along an index, one after another, and the conditions that remain; None are all rows."""
    asked = [
        Source(LogEntry.request_id, filters.request),
        Source(LogEntry.fingerprint, None if filters.problem is None else _fingerprint(log, filters.problem)),
        Source(LogEntry.user_id, filters.user),
        Source(LogEntry.logger, filters.logger),
    ]
    chosen = [source for source in asked if source.value is not None]
    rest: list[Condition] = [source.column == source.value for source in chosen[1:]]
    levels = None if filters.level is None else levels_from(log, filters.level)
    if chosen and levels is not None:
        rest.append(LogEntry.level.in_(levels))
    if filters.release is not None:
        rest.append(LogEntry.release == filters.release)
    if filters.ip is not None:
        rest.append(LogEntry.ip == filters.ip)
    if filters.path is not None:
        path = filters.path.rstrip("/")
        rest.append(or_(LogEntry.path == path, LogEntry.path.startswith(f"{path}/", autoescape=True)))
    if filters.q is not None:
        start = func.substr(LogEntry.message, 1, SEARCH_CHARACTERS, type_=String)
        columns = start, LogEntry.exception, LogEntry.exception_text
        rest.append(or_(*(column.icontains(filters.q, autoescape=True) for column in columns)))
    if chosen:
        return [chosen[0]], rest
    if levels is not None:
        return [Source(LogEntry.level, level) for level in levels or [-1]], rest
    return [None], rest


def _fingerprint(log: Session, problem_id: int) -> str:
    """Return the fingerprint of a problem; if the problem is gone, a text that no row has as its fingerprint."""
    return log.scalar(select(LogProblem.fingerprint).where(LogProblem.id == problem_id)) or ""


def levels_from(log: Session, lowest: int) -> list[int]:
    """Return the levels in use from ``lowest`` up; each is found by one step along the index."""
    following = select(LogEntry.level).order_by(LogEntry.level).limit(1)
    levels: list[int] = []
    found = log.scalar(following.where(LogEntry.level >= lowest))
    while found is not None:
        levels.append(found)
        found = log.scalar(following.where(LogEntry.level > found))
    return levels


def times(filters: Filters, cursor: Cursor | None = None, ascending: bool = False) -> list[Condition]:
    found: list[Condition] = []
    if cursor:
        found.append(cursor.passed(LogEntry.created_at, LogEntry.id, ascending=ascending))
    if filters.since is not None:
        found.append(LogEntry.created_at >= filters.since)
    if filters.until is not None:
        found.append(LogEntry.created_at < filters.until)
    return found


def keys_of(log: Session, source: Source | None, conditions: Sequence[Condition], ascending: bool) -> Select[Any, Any]:
    """Return the query of time and id of a source's rows in the order of time; None are all rows."""
    keys = select(LogEntry.created_at, LogEntry.id).where(*conditions)
    if source:
        first = source.column.asc() if ascending else source.column.desc()
        keys = keys.where(source.condition(log)).order_by(first)
    return keys.order_by(*order(LogEntry, ascending))


def order(row: Any, ascending: bool) -> tuple[ColumnElement[Any], ...]:
    if ascending:
        return row.created_at.asc(), row.id.asc()
    return row.created_at.desc(), row.id.desc()
