"""An entry of the trail as people and programs read it."""

import json
from datetime import UTC
from typing import Any

from ..serving import JOB
from ..terminal import inert
from .models import AuditEntry
from .origin import CLI, SYSTEM


def who(entry: AuditEntry) -> str:
    """Return who made the change: the user, or the command, or "nobody"."""
    if entry.user_id is not None:
        return f"user {entry.user_id}"
    if outside_requests(entry.request_id):
        return str(entry.request_id)
    return "nobody"


def outside_requests(request_id: str | None) -> bool:
    """Whether this names a job, a command or the system."""
    return request_id == SYSTEM or (request_id or "").startswith((JOB, CLI))


def is_in_log(request_id: str | None) -> bool:
    """Whether records of the log may have it: a command and the system have no request there to link to."""
    return bool(request_id) and (not outside_requests(request_id) or str(request_id).startswith(JOB))


def value(shown: Any) -> str:
    """Return one side of a change: text as it is, any other value as JSON."""
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def as_json(entry: AuditEntry) -> dict[str, Any]:
    """Return all columns, the time as ISO 8601 in UTC."""
    columns = {column.key: getattr(entry, column.key) for column in AuditEntry.__mapper__.column_attrs}
    return columns | {"created_at": entry.created_at.astimezone(UTC).isoformat()}


def as_line(entry: AuditEntry) -> str:
    """Return one line for a terminal, with the local time and the names of the fields."""
    moment = f"{entry.created_at.astimezone():%Y-%m-%d %H:%M:%S}"
    what = f"{entry.action:<6}  {entry.model} {entry.object_id}"
    return inert(f"{entry.id:>8}  {moment}  {what}  ({', '.join(entry.changes)})  {who(entry)}")


def as_text(entry: AuditEntry) -> str:
    """Return one entry for a terminal, a line for each field."""
    cause = f"{entry.request_id} {entry.ip or ''}".strip() if not outside_requests(entry.request_id) else ""
    head = f"{entry.created_at.astimezone():%Y-%m-%d %H:%M:%S}  {entry.action}  {who(entry)}  {cause}".rstrip()
    fields = [f"    {field}: {value(old)} → {value(new)}" for field, (old, new) in entry.changes.items()]
    return "\n".join(map(inert, [head, *fields]))
