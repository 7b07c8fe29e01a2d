"""The rows that the pages, their JSON twins, the exports and the commands show.

Pages go by key (time and id of the last row shown), never by offset: the thousandth costs what the first does.
What no index answers is searched backwards, at most :data:`SCAN` rows a page, so its cost is bounded at any size.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, true, union_all
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...database import LOG, begin, db
from ...listing import BadFilter, Cursor
from ..errors import Unreadable
from ..models import LogEntry, LogProblem
from .filters import Filters

PAGE_SIZE = 50
#: A quarter of that where an index leads to each of them somewhere else in the table.
SCAN = 2_000
LIST_TEXT_LIMIT = 400

_WHOLE_TABLE_PLANS = ("hashjoin", "material", "mergejoin")

Condition = ColumnElement[bool]
Entry = Row[Any]

#: Every column, as JSON and the page of one row show them.
ALL_COLUMNS: tuple[Any, ...] = tuple(LogEntry.__table__.c)
#: What a list shows; traces and frames stay in the database.
LIST_COLUMNS: tuple[Any, ...] = (
    LogEntry.id,
    LogEntry.created_at,
    LogEntry.level,
    LogEntry.logger,
    func.substr(LogEntry.message, 1, LIST_TEXT_LIMIT).label("message"),
    LogEntry.exception,
    LogEntry.fingerprint,
    LogEntry.method,
    func.substr(LogEntry.path, 1, LIST_TEXT_LIMIT).label("path"),
    LogEntry.user_id,
)


@contextmanager
def reading() -> Iterator[Session]:
    """A session of the log's own, to read with; raises :class:`Unreadable`.

    All its queries see one view of the rows, since a search is two of them. The session is not ``db.session``: the log
    has two connections a process, so they go back before a page is rendered.
    """
    engine = db.engines[LOG]
    if engine.dialect.name == "postgresql":
        # MariaDB and MySQL begin with this level, SQLite has no other within a transaction.
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        with Session(engine) as log:
            begin(log, "DEFERRED")
            yield log
    except SQLAlchemyError as error:
        raise Unreadable(error, db.engines[LOG]) from error


@dataclass(frozen=True)
class Page:
    """Rows, newest first, the cursors of the pages beside it, and where a bounded search stopped if it did."""

    entries: Sequence[Entry]
    newer: str | None = None
    older: str | None = None
    searched_to: datetime | None = None


def page(
    log: Session,
    filters: Filters,
    *,
    columns: Sequence[Any] = LIST_COLUMNS,
    before: str | None = None,
    after: str | None = None,
    size: int = PAGE_SIZE,
) -> Page:
    """The newest rows, those ``before`` or those ``after`` a cursor; raises :class:`BadFilter` if that is none."""
    if after:
        return _page_after(log, filters, columns, Cursor.parse(after), size)
    cursor = Cursor.parse(before) if before else None
    found = _search(log, filters, columns, cursor, size, ascending=False)
    entries = found.entries[:size]
    newer = None
    if cursor:
        # Of an empty page, the row at the cursor itself is the next newer one.
        newer = str(Cursor.of(entries[0]) if entries else Cursor(cursor.moment, cursor.id - 1))
    if len(found.entries) > size:
        return Page(entries, newer, str(Cursor.of(entries[-1])))
    return Page(entries, newer, str(found.end) if found.end else None, found.end.moment if found.end else None)


def _page_after(log: Session, filters: Filters, columns: Sequence[Any], cursor: Cursor, size: int) -> Page:
    found = _search(log, filters, columns, cursor, size, ascending=True)
    entries = found.entries[:size][::-1]
    older = str(Cursor.of(entries[-1]) if entries else Cursor(cursor.moment, cursor.id + 1))
    if len(found.entries) > size:
        return Page(entries, str(Cursor.of(entries[0])), older)
    return Page(entries, str(found.end) if found.end else None, older, found.end.moment if found.end else None)


def around(
    log: Session, filters: Filters, entry_id: int, *, columns: Sequence[Any] = LIST_COLUMNS, size: int = PAGE_SIZE
) -> Page:
    """The rows on both sides of one, which is among them; raises :class:`BadFilter` if there is none."""
    entry = log.execute(select(LogEntry.created_at, LogEntry.id).where(LogEntry.id == entry_id)).first()
    if entry is None:
        raise BadFilter(f"around: there is no row {entry_id} any more.")
    newer = page(log, filters, columns=columns, after=str(Cursor.of(entry)), size=size // 2)
    here = Cursor(entry.created_at, entry.id + 1)
    older = page(log, filters, columns=columns, before=str(here), size=size // 2)
    return Page([*newer.entries, *older.entries], newer.newer, older.older, older.searched_to)


def find(log: Session, entry_id: int) -> Entry | None:
    """One row with all its columns."""
    return log.execute(select(*ALL_COLUMNS).where(LogEntry.id == entry_id)).first() if entry_id < 2**63 else None


def is_empty(log: Session) -> bool:
    return log.scalar(select(LogEntry.id).limit(1)) is None


def neighbours(log: Session, entry: Entry) -> tuple[int | None, int | None]:
    """The ids of the rows before and after this one of its problem."""
    ids = []
    for ascending in (False, True):
        query = _keys([LogEntry.fingerprint == entry.fingerprint, _past_cursor(Cursor.of(entry), ascending)], ascending)
        key = log.execute(query.limit(1)).first()
        ids.append(key.id if key else None)
    return ids[0], ids[1]


def count_newer(log: Session, filters: Filters, after: str, most: int = 100) -> int:
    """How many rows came after a cursor, counting no further than ``most``."""
    found = _search(log, filters, (LogEntry.id, LogEntry.created_at), Cursor.parse(after), most - 1, ascending=True)
    return len(found.entries)


def count_request(log: Session, request_id: str, most: int = 100) -> int:
    """How many rows one request has, counting no further than ``most``."""
    capped = select(LogEntry.id).where(LogEntry.request_id == request_id).limit(most).subquery()
    return log.scalar(select(func.count()).select_from(capped)) or 0


@dataclass(frozen=True)
class _Found:
    entries: Sequence[Entry]
    #: Where a bounded search stopped; None if it saw everything there is.
    end: Cursor | None


def _search(
    log: Session, filters: Filters, columns: Sequence[Any], cursor: Cursor | None, size: int, *, ascending: bool
) -> _Found:
    """Up to ``size`` rows beyond the cursor and one more, to tell that there are more."""
    sources, rest = _indexed_conditions(log, filters)
    if rest and log.get_bind().dialect.name == "postgresql":
        # The candidates one by one: it would rather read a whole table, which takes ten times as long.
        log.execute(select(*(func.set_config(f"enable_{name}", "off", True) for name in _WHOLE_TABLE_PLANS)))
    limits = _times(filters)
    if cursor:
        limits.append(_past_cursor(cursor, ascending))
    most = size + 1
    if rest:
        most = SCAN // 4 if any(sources) else SCAN
    # A limit around each condition, so that no database can look for matches in all there is.
    keys = [_keys([*source, *limits], ascending).limit(most) for source in sources]
    matches = and_(true(), *rest).label("matches")
    if len(keys) == 1:
        ordered = keys[0]
        candidates = ordered.add_columns(matches)
    else:
        ordered = _merged(keys, ascending).limit(most)
        merged = ordered.subquery()
        candidates = select(merged, matches).join(LogEntry, LogEntry.id == merged.c.id)
        candidates = candidates.order_by(*_order(merged.c, ascending)).limit(most)
    found = candidates.subquery()
    query = (
        select(*columns)
        .join_from(found, LogEntry, LogEntry.id == found.c.id)
        .where(found.c.matches)
        .order_by(*_order(found.c, ascending))
        .limit(size + 1)
    )
    entries = log.execute(query).all()
    if not rest or len(entries) > size:
        return _Found(entries, None)
    last = log.execute(ordered.limit(1).offset(most - 1)).first()
    return _Found(entries, Cursor.of(last) if last else None)


def _indexed_conditions(log: Session, filters: Filters) -> tuple[list[list[Condition]], list[Condition]]:
    """Conditions that an index answers in order of time (those of several are merged), and those that remain."""
    indexed: list[tuple[Any, Any]] = [
        (LogEntry.request_id, filters.request),
        (LogEntry.user_id, filters.user),
        (LogEntry.logger, filters.logger),
    ]
    conditions: list[Condition] = [column == value for column, value in indexed if value is not None]
    if filters.problem is not None:
        fingerprint = log.scalar(select(LogProblem.fingerprint).where(LogProblem.id == filters.problem))
        conditions.insert(0, LogEntry.fingerprint == (fingerprint or ""))
    rest: list[Condition] = []
    if filters.q is not None:
        text = (LogEntry.message, LogEntry.exception)
        rest = [or_(*(column.icontains(filters.q, autoescape=True) for column in text))]
    levels = None if filters.level is None else levels_from(log, filters.level)
    if conditions:
        if levels is not None:
            rest.append(LogEntry.level.in_(levels))
        return [conditions[:1]], conditions[1:] + rest
    if levels is not None:
        return [[LogEntry.level == level] for level in levels or [-1]], rest
    return [[]], rest


def levels_from(log: Session, lowest: int) -> list[int]:
    """The levels in use from ``lowest`` up, each found by one step down the index, however many rows there are."""
    following = select(LogEntry.level).order_by(LogEntry.level).limit(1)
    levels: list[int] = []
    found = log.scalar(following.where(LogEntry.level >= lowest))
    while found is not None:
        levels.append(found)
        found = log.scalar(following.where(LogEntry.level > found))
    return levels


def _times(filters: Filters) -> list[Condition]:
    times: list[Condition] = []
    if filters.since is not None:
        times.append(LogEntry.created_at >= filters.since)
    if filters.until is not None:
        times.append(LogEntry.created_at < filters.until)
    return times


def _keys(conditions: Sequence[Condition], ascending: bool) -> Select[Any, Any]:
    return select(LogEntry.created_at, LogEntry.id).where(*conditions).order_by(*_order(LogEntry, ascending))


def _merged(parts: Sequence[Select[Any, Any]], ascending: bool) -> Select[Any, Any]:
    both = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return select(both).order_by(*_order(both.c, ascending))


def _order(row: Any, ascending: bool) -> tuple[ColumnElement[Any], ...]:
    if ascending:
        return row.created_at.asc(), row.id.asc()
    return row.created_at.desc(), row.id.desc()


def _past_cursor(cursor: Cursor, ascending: bool) -> Condition:
    return cursor.passed(LogEntry.created_at, LogEntry.id, ascending=ascending)
