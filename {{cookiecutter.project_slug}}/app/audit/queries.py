"""The queries of the trail, for its pages, their JSON twins and its commands alike.

Pages go by key, never by offset: the thousandth page costs as much as the first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session, scoped_session

from ..listing import BadFilter, Cursor, Parser, parse_id, parse_terms, parse_text, parse_time
from .entries import ACTIONS
from .models import AuditEntry

ENTRIES_A_PAGE = 50
PRUNE_BATCH = 1000

AnySession = Session | scoped_session[Session]


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


@dataclass(frozen=True)
class Page:
    """Entries, newest first, and the cursors of the pages beside it."""

    entries: Sequence[AuditEntry]
    newer: str | None
    older: str | None


def page(
    session: AnySession,
    filters: Filters,
    *,
    before: str | None = None,
    after: str | None = None,
    size: int = ENTRIES_A_PAGE,
) -> Page:
    """Return the newest entries, those ``before`` or those ``after`` a cursor; raises :class:`BadFilter`."""
    # The entries of one object go by id: ids follow the locks of its row, the clocks of two machines may not.
    order = [AuditEntry.id] if filters.object is not None else [AuditEntry.created_at, AuditEntry.id]
    query = select(AuditEntry).where(*_conditions(filters)).limit(size + 1)
    if after or before:
        query = query.where(_past_cursor(after or before or "", filters, newer=bool(after)))
    found = session.scalars(query.order_by(*(column if after else column.desc() for column in order))).all()
    entries = found[:size][::-1] if after else found[:size]
    # Where there is one entry more, the list goes on; towards the other side it does if this page has a cursor.
    onward = str(Cursor.of(found[size - 1])) if len(found) > size else None
    back = str(Cursor.of(found[0])) if found and (after or before) else None
    return Page(entries, *((onward, back) if after else (back, onward)))


def prune(session: AnySession, older_than: datetime) -> Iterator[int]:
    """Delete older entries, each batch in a transaction of its own; yields how many each batch deleted."""
    oldest = select(AuditEntry.id).where(AuditEntry.created_at < older_than).order_by(AuditEntry.created_at)
    while ids := list(session.scalars(oldest.limit(PRUNE_BATCH))):
        session.execute(delete(AuditEntry).where(AuditEntry.id.in_(ids)))
        session.commit()
        yield len(ids)


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


def _past_cursor(cursor: str, filters: Filters, *, newer: bool) -> ColumnElement[bool]:
    place = Cursor.parse(cursor)
    if filters.object is not None:
        return AuditEntry.id > place.id if newer else AuditEntry.id < place.id
    return place.passed(AuditEntry.created_at, AuditEntry.id, ascending=newer)


def parse_action(name: str, term: str) -> str:
    if term.lower() in ACTIONS:
        return term.lower()
    raise BadFilter(f"{name}: one of {', '.join(ACTIONS)}; not “{term}”.")


PARSERS: dict[str, Parser] = {
    **dict.fromkeys(("model", "object", "request"), parse_text),
    **{"user": parse_id, "action": parse_action, "since": parse_time, "until": parse_time},
}
