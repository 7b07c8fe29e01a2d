"""The queries of rows, for the pages, their JSON twins, the exports and the commands alike.

Pages go by key (time and id of the last row shown), never by offset: the thousandth page costs as much as the first.
A filter without an index is searched backwards, at most :data:`SEARCH_ROWS` rows a page, so that its cost is bounded
however large the log is.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Engine, Row, Select, String, and_, func, or_, select, true, union_all
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...database import begin
from ...listing import BadFilter, Cursor, Page
from ..errors import TooSlow, Unreadable
from ..models import SEARCH_CHARACTERS, LogEntry, LogProblem
from . import muted
from .filters import Filters
from .time_limit import is_limit_hit, limited

ROWS_A_PAGE = 50
#: A search along an index reads a quarter as many rows: each is a random read.
SEARCH_ROWS = 2_000
LIST_TEXT_LIMIT = 400

_WHOLE_TABLE_PLANS = ("hashjoin", "material", "mergejoin")

Condition = ColumnElement[bool]
Entry = Row[Any]
#: Rows, and where a bounded search stopped; None if it saw everything there is.
Found = tuple[Sequence[Entry], Cursor | None]

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


class LogSession(Session):
    """Without the listeners that the application set on all sessions: one that sets something for the request, say."""

    _sa_propagate_class_events = False


@contextmanager
def reading() -> Iterator[Session]:
    """Open a session of the log's own, to read with; raises :class:`Unreadable`, or :class:`TooSlow`.

    All its queries see one view of the rows, since a search is two of them. The session is not ``db.session``: the log
    has two connections a process, so they go back before a page is rendered.
    """
    engine: Engine = current_app.extensions["dblog"].writer.engine
    try:
        with LogSession(engine) as log:
            if engine.dialect.name == "postgresql":
                # MariaDB and MySQL begin with this level, SQLite has no other within a transaction.
                log.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            with limited(log.connection()):
                begin(log, "DEFERRED")
                yield log
    except SQLAlchemyError as error:
        if is_limit_hit(error):
            raise TooSlow from error
        raise Unreadable(error, engine) from error


def page(
    log: Session,
    filters: Filters,
    *,
    columns: Sequence[Any] = LIST_COLUMNS,
    before: str | None = None,
    after: str | None = None,
    size: int = ROWS_A_PAGE,
) -> Page:
    """Return the newest rows, those ``before`` or those ``after`` a cursor; raises :class:`BadFilter`."""
    cursor = Cursor.parse(after or before or "") if after or before else None
    found, end = _search(log, filters, columns, cursor, size, ascending=bool(after))
    return Page.of(found, size, cursor, ascending=bool(after), end=end)


def around(
    log: Session, filters: Filters, entry_id: int, *, columns: Sequence[Any] = LIST_COLUMNS, size: int = ROWS_A_PAGE
) -> Page:
    """Return the rows on both sides of a row, and the row itself; raises :class:`BadFilter` if it is gone."""
    entry = log.execute(select(LogEntry.created_at, LogEntry.id).where(LogEntry.id == entry_id)).first()
    if entry is None:
        raise BadFilter(f"around: there is no row {entry_id} any more.")
    newer = page(log, filters, columns=columns, after=str(Cursor.of(entry)), size=size // 2)
    here = Cursor(entry.created_at, entry.id + 1)
    older = page(log, filters, columns=columns, before=str(here), size=size // 2)
    return Page([*newer.entries, *older.entries], newer.newer, older.older, older.searched_to)


def find(log: Session, entry_id: int) -> Entry | None:
    """Return one row with all its columns, None if there is none."""
    return log.execute(select(*ALL_COLUMNS).where(LogEntry.id == entry_id)).first() if entry_id < 2**63 else None


def neighbours(log: Session, entry: Entry) -> tuple[int | None, int | None]:
    """Return the ids of the rows before and after this one among the rows of its problem."""
    ids = []
    for ascending in (False, True):
        past = Cursor.of(entry).passed(LogEntry.created_at, LogEntry.id, ascending=ascending)
        query = _keys([LogEntry.fingerprint == entry.fingerprint, past], ascending)
        key = log.execute(query.limit(1)).first()
        ids.append(key.id if key else None)
    return ids[0], ids[1]


def newest_id(log: Session) -> int:
    """Return the id of the row that was stored last, 0 if there is none."""
    return log.scalar(select(func.max(LogEntry.id))) or 0


def count_newer(log: Session, filters: Filters, after: int, most: int = 100) -> int:
    """Return how many rows came after the row of an id, counting no further than ``most``.

    By id, not by time: the clock of another host may be behind, or have been ahead. Only the last :data:`SEARCH_ROWS`
    ids are looked at.
    """
    sources, rest = _indexed_conditions(log, filters)
    if muted.hides(log, filters):
        rest.append(muted.not_muted())
    any_source = or_(*(and_(true(), *source) for source in sources))
    came = LogEntry.id > max(after, newest_id(log) - SEARCH_ROWS)
    found = log.scalars(select(LogEntry.id).where(came, any_source, *rest, *_times(filters)).limit(most))
    return len(found.all())


def count_request(log: Session, request_id: str, most: int = 100) -> int:
    """Return how many rows one request has, counting no further than ``most``."""
    capped = select(LogEntry.id).where(LogEntry.request_id == request_id).limit(most).subquery()
    return log.scalar(select(func.count()).select_from(capped)) or 0


def _search(
    log: Session, filters: Filters, columns: Sequence[Any], cursor: Cursor | None, size: int, *, ascending: bool
) -> Found:
    """Return up to ``size`` rows past the cursor, and one more if there are more; and where the search stopped."""
    sources, rest = _indexed_conditions(log, filters)
    if muted.hides(log, filters):
        rest.append(muted.not_muted())
    if rest and log.get_bind().dialect.name == "postgresql":
        # PostgreSQL must read the candidates one by one: its plan would read a whole table, ten times as slow.
        log.execute(select(*(func.set_config(f"enable_{name}", "off", True) for name in _WHOLE_TABLE_PLANS)))
    limits = _times(filters)
    if cursor:
        limits.append(cursor.passed(LogEntry.created_at, LogEntry.id, ascending=ascending))
    most = size + 1
    if rest:
        most = SEARCH_ROWS // 4 if any(sources) else SEARCH_ROWS
    # The limit is around the candidates, so that no database can look for matches in the whole table.
    keys = [_keys([*source, *limits], ascending).limit(most) for source in sources]
    matches = and_(true(), *rest).label("matches")
    if len(keys) == 1:
        ordered = keys[0]
        candidates = ordered.add_columns(matches)
    else:
        every = union_all(*(select(part.subquery()) for part in keys)).subquery()
        ordered = select(every).order_by(*_order(every.c, ascending)).limit(most)
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
        return entries, None
    last = log.execute(ordered.limit(1).offset(most - 1)).first()
    return entries, Cursor.of(last) if last else None


def _indexed_conditions(log: Session, filters: Filters) -> tuple[list[list[Condition]], list[Condition]]:
    """Return conditions that an index answers in order of time, a list for each search, and those that remain."""
    indexed: list[tuple[Any, Any]] = [
        (LogEntry.request_id, filters.request),
        (LogEntry.fingerprint, None if filters.problem is None else _fingerprint(log, filters.problem)),
        (LogEntry.user_id, filters.user),
        (LogEntry.logger, filters.logger),
    ]
    conditions: list[Condition] = [column == value for column, value in indexed if value is not None]
    rest: list[Condition] = []
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
    levels = None if filters.level is None else levels_from(log, filters.level)
    if conditions:
        if levels is not None:
            rest.append(LogEntry.level.in_(levels))
        return [conditions[:1]], conditions[1:] + rest
    if levels is not None:
        return [[LogEntry.level == level] for level in levels or [-1]], rest
    return [[]], rest


def _fingerprint(log: Session, problem_id: int) -> str:
    """Return the fingerprint of a problem, or of a problem that is gone a text that no row has."""
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


def _times(filters: Filters) -> list[Condition]:
    times: list[Condition] = []
    if filters.since is not None:
        times.append(LogEntry.created_at >= filters.since)
    if filters.until is not None:
        times.append(LogEntry.created_at < filters.until)
    return times


def _keys(conditions: Sequence[Condition], ascending: bool) -> Select[Any, Any]:
    return select(LogEntry.created_at, LogEntry.id).where(*conditions).order_by(*_order(LogEntry, ascending))


def _order(row: Any, ascending: bool) -> tuple[ColumnElement[Any], ...]:
    if ascending:
        return row.created_at.asc(), row.id.asc()
    return row.created_at.desc(), row.id.desc()
