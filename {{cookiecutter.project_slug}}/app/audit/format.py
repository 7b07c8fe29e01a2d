"""An entry of the trail as people and programs read it."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from flask import current_app

from ..actor import Names
from ..serving import JOB
from ..terminal import inert, local_time
from .entries import DELETE, INSERT
from .models import AuditEntry
from .origin import CLI, SYSTEM

#: How much of one value is shown, in characters.
SUMMARY_LIMIT = 60


def names_of(entries: Iterable[AuditEntry]) -> Mapping[int, str]:
    """Return the names of the users who made these changes, by number, as far as the application knows them."""
    found: Names = current_app.extensions["audit"].names
    return found.of({entry.user_id for entry in entries if entry.user_id is not None})


def who(entry: AuditEntry, people: Mapping[int, str]) -> str:
    """Return who made the change: the user, or the command, or "nobody"."""
    if entry.user_id is not None:
        return people.get(entry.user_id) or f"user {entry.user_id}"
    if outside_requests(entry.request_id):
        return str(entry.request_id)
    return "nobody"


def outside_requests(request_id: str | None) -> bool:
    """Return whether this names a job, a command or the system, not a request."""
    return request_id == SYSTEM or (request_id or "").startswith((JOB, CLI))


def is_in_log(request_id: str | None) -> bool:
    """Return whether log records may have this id: those of commands and of the system have none to link to."""
    return bool(request_id) and (not outside_requests(request_id) or str(request_id).startswith(JOB))


def value(shown: Any) -> str:
    """Return one side of a change: text as it is, any other value as JSON."""
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def summary(entry: AuditEntry) -> str:
    """Return on one line what changed ("email: a@x → b@x"), what a new object has, or what a deleted one had."""
    return ", ".join(f"{field}: {_sides(entry.action, *sides)}" for field, sides in entry.changes.items())


def _sides(action: str, old: Any, new: Any) -> str:
    if action == INSERT:
        return _short(new)
    if action == DELETE:
        return _short(old)
    return f"{_short(old)} → {_short(new)}"


def _short(shown: Any) -> str:
    text = "none" if shown is None else inert(value(shown))
    return text if len(text) <= SUMMARY_LIMIT else text[: SUMMARY_LIMIT - 1] + "…"


def as_json(entry: AuditEntry) -> dict[str, Any]:
    """Return all columns, the time as ISO 8601 in UTC."""
    columns = {column.key: getattr(entry, column.key) for column in AuditEntry.__mapper__.column_attrs}
    return columns | {"created_at": entry.created_at.astimezone(UTC).isoformat()}


def as_text(entry: AuditEntry, people: Mapping[int, str]) -> str:
    """Return one entry for a terminal, a line for each field."""
    cause = f"{entry.request_id} {entry.ip or ''}".strip() if not outside_requests(entry.request_id) else ""
    head = f"{local_time(entry.created_at)}  {entry.action}  {who(entry, people)}  {cause}".rstrip()
    fields = [f"    {field}: {value(old)} → {value(new)}" for field, (old, new) in entry.changes.items()]
    return "\n".join(map(inert, [head, *fields]))
