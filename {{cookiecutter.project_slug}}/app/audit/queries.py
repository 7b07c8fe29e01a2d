"""What the pages, their JSON twins and the commands ask of the trail; each works alike for all three.

Pages go by key, never by offset: the thousandth costs what the first does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.orm import Session, scoped_session

from app.database import utcnow

from .entries import ACTIONS
from .models import AuditEntry

PAGE_SIZE = 50
PRUNED_AT_ONCE = 1000
MAX_TERM = 255

_DURATION = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CURSOR = re.compile(r"(\d{1,17})-(\d{1,18})", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")  # what Python makes of bytes on a command line that are no text
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

AnySession = Session | scoped_session[Session]


class BadFilter(ValueError):
    """A filter that cannot be understood; the message says which, and what was expected."""


@dataclass(frozen=True)
class Filters:
    """Which entries to show."""

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
            if len(term) > MAX_TERM:
                raise BadFilter(f"{name}: at most {MAX_TERM} characters.")
            if _SURROGATE.search(term):
                raise BadFilter(f"{name}: contains characters that are no text.")
        return cls(
            model=given.get("model"),
            object=given.get("object"),
            user=_parse_user(given["user"]) if "user" in given else None,
            action=_parse_action(given["action"]) if "action" in given else None,
            request=given.get("request"),
            since=_parse_time("since", given["since"]) if "since" in given else None,
            until=_parse_time("until", given["until"]) if "until" in given else None,
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
        rows = list(session.scalars(query.where(_beyond(after, order, newer=True)).order_by(*order)))
        entries, more = rows[:size][::-1], len(rows) > size
        return Page(entries, _cursor(entries[0]) if more else None, _cursor(entries[-1]) if entries else None)
    if before:
        query = query.where(_beyond(before, order, newer=False))
    rows = list(session.scalars(query.order_by(*(column.desc() for column in order))))
    entries, more = rows[:size], len(rows) > size
    newer = _cursor(entries[0]) if before and entries else None
    return Page(entries, newer, _cursor(entries[-1]) if more else None)


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
        conditions.append(AuditEntry.created_at <= filters.until)
    return conditions


def _cursor(entry: AuditEntry) -> str:
    return f"{(entry.created_at - _EPOCH) // timedelta(microseconds=1)}-{entry.id}"


def _beyond(cursor: str, order: Sequence[Any], *, newer: bool) -> ColumnElement[bool]:
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise BadFilter("The link to this page is damaged: start again from the newest entries.")
    moment, number = _EPOCH + timedelta(microseconds=int(parts[1])), int(parts[2])
    beside = AuditEntry.id > number if newer else AuditEntry.id < number
    if len(order) == 1:
        return beside
    # The first condition says less than the second; it is what a database can look up in an index.
    if newer:
        return and_(AuditEntry.created_at >= moment, or_(AuditEntry.created_at > moment, beside))
    return and_(AuditEntry.created_at <= moment, or_(AuditEntry.created_at < moment, beside))


def _parse_time(name: str, term: str) -> datetime:
    try:
        if age := _DURATION.fullmatch(term):
            return utcnow() - timedelta(**{_UNITS[age[2]]: int(age[1])})
        moment = datetime.fromisoformat(term)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadFilter(
            f"{name}: an age such as 30m, 2h or 7d, or a date such as 2026-01-31T12:00; not “{term}”."
        ) from None


def _parse_user(term: str) -> int:
    if term.isascii() and term.isdigit() and len(term) <= 18:
        return int(term)
    raise BadFilter(f"user: the number of a user; not “{term}”.")


def _parse_action(term: str) -> str:
    if term.lower() in ACTIONS:
        return term.lower()
    raise BadFilter(f"action: one of {', '.join(ACTIONS)}; not “{term}”.")
