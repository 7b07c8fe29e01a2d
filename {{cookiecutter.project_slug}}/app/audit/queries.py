"""The queries of the trail, for its pages, their JSON twins and its commands alike.

Pages go by key, never by offset: the thousandth page costs as much as the first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session, scoped_session

from ..actor import parse_user
from ..database import current_time
from ..listing import BadFilter, Cursor, Page, Parser, parse_terms, parse_text, parse_time
from .entries import ACTIONS
from .models import AuditEntry

ENTRIES_A_PAGE = 50
PRUNE_BATCH = 1000


@dataclass(frozen=True)
class Filters:
    """Which entries to show: ``since`` is the first moment of them, ``until`` the first after them."""

    model: str | None = None
    object: str | None = None
    user: int | None = None
    action: str | None = None
    request: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def parse(cls, terms: Mapping[str, str | None]) -> "Filters":
        """Return the filters from texts as people type them. Raises :class:`BadFilter`."""
        return cls(**parse_terms(terms, PARSERS))


def page(filters: Filters, *, before: str | None = None, after: str | None = None, size: int = ENTRIES_A_PAGE) -> Page:
    """Return the newest entries, those ``before`` or those ``after`` a cursor; raises :class:`BadFilter`."""
    # The entries of one object go by id: ids follow the locks of its row, the clocks of two machines may not.
    order = [AuditEntry.id] if filters.object is not None else [AuditEntry.created_at, AuditEntry.id]
    query = select(AuditEntry).where(*_conditions(filters)).limit(size + 1)
    cursor = Cursor.parse(after or before or "") if after or before else None
    if cursor and filters.object is not None:
        query = query.where(AuditEntry.id > cursor.id if after else AuditEntry.id < cursor.id)
    elif cursor:
        query = query.where(cursor.passed(AuditEntry.created_at, AuditEntry.id, ascending=bool(after)))
    found = session().scalars(query.order_by(*(column if after else column.desc() for column in order))).all()
    return Page.of(found, size, cursor, ascending=bool(after))


def has_changes(request_id: str) -> bool:
    """Whether a request changed something that the trail has."""
    changes = select(AuditEntry.id).where(AuditEntry.request_id == request_id)
    return session().scalar(changes.limit(1)) is not None


def days_ago(days: int) -> tuple[datetime, bool]:
    """Return the moment so many days ago, by the server's clock, and whether every entry is older."""
    moment = current_time(session()()) - timedelta(days=days)
    newest = session().scalar(select(func.max(AuditEntry.created_at)))
    return moment, newest is not None and newest < moment


def prune(older_than: datetime) -> Iterator[int]:
    """Delete older entries, each batch in a transaction of its own; yields how many each batch deleted."""
    oldest = select(AuditEntry.id).where(AuditEntry.created_at < older_than).order_by(AuditEntry.created_at)
    while ids := list(session().scalars(oldest.limit(PRUNE_BATCH))):
        session().execute(delete(AuditEntry).where(AuditEntry.id.in_(ids)))
        session().commit()
        yield len(ids)


def session() -> scoped_session[Session]:
    found: scoped_session[Session] = current_app.extensions["audit"].db.session
    return found


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    equal: dict[Any, Any] = {
        AuditEntry.model: filters.model,
        AuditEntry.object_id: filters.object,
        AuditEntry.user_id: filters.user,
        AuditEntry.action: filters.action,
        AuditEntry.request_id: filters.request,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if filters.since is not None:
        conditions.append(AuditEntry.created_at >= filters.since)
    if filters.until is not None:
        conditions.append(AuditEntry.created_at < filters.until)
    return conditions


def parse_action(name: str, term: str) -> str:
    if term.lower() in ACTIONS:
        return term.lower()
    raise BadFilter(f"{name}: one of {', '.join(ACTIONS)}; not “{term}”.")


def parse_who(name: str, term: str) -> int:
    return parse_user(current_app.extensions["audit"].names, name, term)


PARSERS: dict[str, Parser] = {
    **dict.fromkeys(("model", "object", "request"), parse_text),
    **{"user": parse_who, "action": parse_action, "since": parse_time, "until": parse_time},
}
