"""What the pages, their JSON twins and the commands ask of the trail; each works alike for all three.

Pages go by key, never by offset: the thousandth costs what the first does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session, scoped_session

from ..listing import BadFilter, Cursor, check_text, parse_id, parse_time
from .entries import ACTIONS
from .models import AuditEntry

PAGE_SIZE = 50
PRUNED_AT_ONCE = 1000

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
    def parse(cls, terms: Mapping[str, str]) -> "Filters":
        """Filters from texts as people type them; empty ones do not count. Raises :class:`BadFilter`."""
        given = {field.name: terms[field.name].strip() for field in fields(cls) if terms.get(field.name, "").strip()}
        for name, term in given.items():
            check_text(name, term)
        return cls(
            model=given.get("model"),
            object=given.get("object"),
            user=parse_id("user", given["user"]) if "user" in given else None,
            action=_parse_action(given["action"]) if "action" in given else None,
            request=given.get("request"),
            since=parse_time("since", given["since"]) if "since" in given else None,
            until=parse_time("until", given["until"]) if "until" in given else None,
        )


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
    size: int = PAGE_SIZE,
) -> Page:
    """The newest entries, those ``before`` or those ``after`` a cursor; raises :class:`BadFilter` if that is none."""
    # The ids of one object's entries follow its row's locks; the clocks of two machines need not.
    order = [AuditEntry.id] if filters.object is not None else [AuditEntry.created_at, AuditEntry.id]
    query = select(AuditEntry).where(*_conditions(filters)).limit(size + 1)
    if after:
        rows = list(session.scalars(query.where(_past_cursor(after, filters, newer=True)).order_by(*order)))
        entries, more = rows[:size][::-1], len(rows) > size
        return Page(
            entries, str(Cursor.of(entries[0])) if more else None, str(Cursor.of(entries[-1])) if entries else None
        )
    if before:
        query = query.where(_past_cursor(before, filters, newer=False))
    rows = list(session.scalars(query.order_by(*(column.desc() for column in order))))
    entries, more = rows[:size], len(rows) > size
    newer = str(Cursor.of(entries[0])) if before and entries else None
    return Page(entries, newer, str(Cursor.of(entries[-1])) if more else None)


def prune(session: AnySession, older_than: datetime) -> Iterator[int]:
    """Delete older entries, each batch in a transaction of its own; yields how many went with it."""
    oldest = select(AuditEntry.id).where(AuditEntry.created_at < older_than).order_by(AuditEntry.created_at)
    while ids := list(session.scalars(oldest.limit(PRUNED_AT_ONCE))):
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


def _parse_action(term: str) -> str:
    if term.lower() in ACTIONS:
        return term.lower()
    raise BadFilter(f"action: one of {', '.join(ACTIONS)}; not “{term}”.")
