"""The queries of the trail, for its pages, their JSON twins and its commands alike.

Pages go by key, never by offset: the thousandth page costs as much as the first. A filter without an index is searched
backwards, at most :data:`SEARCH_ROWS` entries a page.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, and_, delete, func, or_, select, type_coerce
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, scoped_session

from ..actor import parse_user
from ..database import LongText, current_time
from ..listing import BadFilter, Cursor, Page, Parser, parse_terms, parse_text, parse_time
from ..time_limit import is_limit_hit, limited
from .entries import ACTIONS
from .models import AuditEntry

ENTRIES_A_PAGE = 50
SEARCH_ROWS = 2_000
PRUNE_BATCH = 1000
TOO_SLOW = "The search was stopped at its time limit: choose a model, a user or a shorter time."


@dataclass(frozen=True)
class Filters:
    """The conditions that choose entries: ``since`` is the first moment of them, ``until`` the first moment after."""

    model: str | None = None
    object: str | None = None
    user: int | None = None
    action: str | None = None
    #: The name of a field that changed; small letters and capitals are the same.
    field: str | None = None
    request: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def parse(cls, terms: Mapping[str, str | None]) -> "Filters":
        """Return the filters from texts as people type them. Raises :class:`BadFilter`."""
        return cls(**parse_terms(terms, PARSERS))


def page(filters: Filters, *, before: str | None = None, after: str | None = None, size: int = ENTRIES_A_PAGE) -> Page:
    """Return the newest entries, those ``before`` or those ``after`` a cursor; raises :class:`BadFilter`.

    If a bounded search stopped early, its page may be short or empty, but has a cursor from which to go on. A search
    that reaches its time limit raises :class:`BadFilter`, too.
    """
    ascending = bool(after)
    cursor = Cursor.parse(after or before or "") if after or before else None
    indexed, rest = _conditions(filters)
    # The entries of one object are ordered by id. Each change locks the object's row, so ids are in the order of the
    # changes; times may not be, if they come from the clocks of two machines.
    by_id = filters.object is not None
    if cursor and by_id:
        indexed.append(AuditEntry.id > cursor.id if ascending else AuditEntry.id < cursor.id)
    elif cursor:
        indexed.append(cursor.passed(AuditEntry.created_at, AuditEntry.id, ascending=ascending))

    def order(columns: Any) -> list[Any]:
        keys = [columns.id] if by_id else [columns.created_at, columns.id]
        return keys if ascending else [key.desc() for key in keys]

    if not rest:
        entries = session().scalars(select(AuditEntry).where(*indexed).order_by(*order(AuditEntry)).limit(size + 1))
        return Page.of(entries.all(), size, cursor, ascending=ascending)

    # The limit applies to the candidates, not to the matches: no database can look for these in the whole table.
    keys = select(AuditEntry.id, AuditEntry.created_at).where(*indexed).order_by(*order(AuditEntry))
    found = keys.add_columns(and_(*rest).label("matches")).limit(SEARCH_ROWS).subquery()
    query = select(AuditEntry).join(found, AuditEntry.id == found.c.id).where(found.c.matches)
    try:
        with limited(session().connection()):
            matches = session().scalars(query.order_by(*order(found.c)).limit(size + 1)).all()
            last = None if len(matches) > size else session().execute(keys.limit(1).offset(SEARCH_ROWS - 1)).first()
    except DBAPIError as error:
        session().rollback()
        if is_limit_hit(error):
            raise BadFilter(TOO_SLOW) from error
        raise
    return Page.of(matches, size, cursor, ascending=ascending, end=Cursor.of(last) if last else None)


def newest(filters: Filters, limit: int) -> Iterator[AuditEntry]:
    """Yield the newest entries, however far back the search for them goes; raises :class:`BadFilter`."""
    before = None
    while limit > 0:
        found = page(filters, before=before, size=min(limit, PRUNE_BATCH))
        yield from found.entries
        limit -= len(found.entries)
        before = found.older
        if before is None:
            return


def has_changes(request: str | None = None, user: int | None = None) -> bool:
    """Return whether the trail has a change by this request or this user; an index answers either question."""
    indexed, _ = _conditions(Filters(request=request, user=user))
    return session().scalar(select(AuditEntry.id).where(*indexed).limit(1)) is not None


def days_ago(days: int) -> tuple[datetime, bool]:
    """Return the moment so many days ago, by the database server's clock, and whether every entry is older."""
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


def _conditions(filters: Filters) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
    """Return the conditions that an index answers in the order of the list, and those that remain."""
    columns = {
        "request": AuditEntry.request_id,
        "model": AuditEntry.model,
        "object": AuditEntry.object_id,
        "user": AuditEntry.user_id,
        "action": AuditEntry.action,
    }
    values = {name: getattr(filters, name) for name in columns}
    equal: dict[str, ColumnElement[bool]] = {
        name: columns[name] == value for name, value in values.items() if value is not None
    }
    by_id = "object" in equal
    if "request" in equal:
        along = ["request"]
    elif by_id:
        along = ["model", "object"] if "model" in equal else []
    else:
        along = ["user"] if "user" in equal else []
    indexed = [equal.pop(name) for name in along]
    rest = [*equal.values(), *([] if filters.field is None else [_changed(filters.field)])]
    times = []
    if filters.since is not None:
        times.append(AuditEntry.created_at >= filters.since)
    if filters.until is not None:
        times.append(AuditEntry.created_at < filters.until)
    # If the list is ordered by id, the index does not answer times.
    return (indexed, [*rest, *times]) if by_id else ([*indexed, *times], rest)


def _changed(field: str) -> ColumnElement[bool]:
    """Return the condition that this field is among the changes, which are JSON: ``{"email":[null,"a@x"]}``."""
    text = type_coerce(AuditEntry.changes, LongText)
    # The column's type writes JSON with or without this space. A value cannot match: its quotes have backslashes.
    return or_(*(text.icontains(f"{json.dumps(field)}:{space}[", autoescape=True) for space in ("", " ")))


def parse_action(name: str, term: str) -> str:
    if term.lower() in ACTIONS:
        return term.lower()
    raise BadFilter(f"{name}: one of {', '.join(ACTIONS)}; not “{term}”.")


def parse_who(name: str, term: str) -> int:
    return parse_user(current_app.extensions["audit"].names, name, term)


PARSERS: dict[str, Parser] = {
    **dict.fromkeys(("model", "object", "field", "request"), parse_text),
    **{"user": parse_who, "action": parse_action, "since": parse_time, "until": parse_time},
}
