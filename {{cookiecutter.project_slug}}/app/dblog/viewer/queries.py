"""The queries of rows, for the pages, their JSON twins, the exports and the commands alike.

Pages go by key (time and id of the last row shown), never by offset: the thousandth page costs as much as the first.
The cost of a page is bounded, however large the log is, see :mod:`app.dblog.viewer.paging`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import current_app
from sqlalchemy import Engine, func, or_, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...database import begin
from ...listing import BadFilter, Cursor, Page
from ...time_limit import is_limit_hit, limited
from ..errors import TooSlow, Unreadable
from ..models import LogEntry
from . import muted, paging
from .filters import Filters

ROWS_A_PAGE = 50
LIST_TEXT_LIMIT = 400

Entry = paging.Entry

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
    func.substr(LogEntry.exception_text, 1, LIST_TEXT_LIMIT).label("exception_text"),
    LogEntry.fingerprint,
    LogEntry.method,
    func.substr(LogEntry.path, 1, LIST_TEXT_LIMIT).label("path"),
    LogEntry.ip,
    LogEntry.user_id,
)


class LogSession(Session):
    """A session without the listeners that the application has set on all sessions, for its own requests."""

    _sa_propagate_class_events = False


@contextmanager
def reading() -> Iterator[Session]:
    """Open a session of the log's own, to read with; raises :class:`Unreadable`, or :class:`TooSlow`.

    All its queries see the same state of the rows, since one search makes two queries. The session is not
    ``db.session``: the log has two connections a process, so this one goes back before a page is rendered.
    """
    engine: Engine = current_app.extensions["dblog"].writer.engine
    try:
        with LogSession(engine) as log:
            if engine.dialect.name == "postgresql":
                # MariaDB and MySQL have this level by default, and SQLite keeps one state within a transaction anyway.
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
    found, end = paging.search(log, filters, columns, cursor, size, ascending=bool(after))
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
    of_problem = paging.Source(LogEntry.fingerprint, entry.fingerprint)
    for ascending in (False, True):
        past = Cursor.of(entry).passed(LogEntry.created_at, LogEntry.id, ascending=ascending)
        query = paging.keys_of(log, of_problem, [past], ascending)
        key = log.execute(query.limit(1)).first()
        ids.append(key.id if key else None)
    return ids[0], ids[1]


def newest_id(log: Session) -> int:
    """Return the id of the row that was stored last, 0 if there is none."""
    return log.scalar(select(func.max(LogEntry.id))) or 0


def count_newer(log: Session, filters: Filters, after: int, most: int = 100) -> int:
    """Return how many rows came after the row of an id, counting no further than ``most``.

    The query compares ids, not times: the clock of another host may be behind, or may have been ahead. It looks only at
    the last :data:`app.dblog.viewer.paging.SEARCH_ROWS` ids.
    """
    sources, rest = paging.indexed_conditions(log, filters)
    if muted.hides(log, filters):
        rest.append(muted.not_muted())
    any_source = or_(*(source.condition(log) if source else true() for source in sources))
    came = LogEntry.id > max(after, newest_id(log) - paging.SEARCH_ROWS)
    found = log.scalars(select(LogEntry.id).where(came, any_source, *rest, *paging.times(filters)).limit(most))
    return len(found.all())


def count_request(log: Session, request_id: str, most: int = 100) -> int:
    """Return how many rows one request has, counting no further than ``most``."""
    capped = select(LogEntry.id).where(LogEntry.request_id == request_id).limit(most).subquery()
    return log.scalar(select(func.count()).select_from(capped)) or 0
