"""An entry of the trail as people and programs read it."""

import json
from datetime import UTC
from typing import Any

from ..terminal import inert
from .models import AuditEntry
from .origin import CLI, SYSTEM


def who(entry: AuditEntry) -> str:
    """The user, else the command, else what little is known."""
    if entry.user_id is not None:
        return f"user {entry.user_id}"
    if outside_requests(entry.request_id):
        return str(entry.request_id)
    return "nobody"


def outside_requests(request_id: str | None) -> bool:
    """Whether it stands for a command or for the system, of which there is no log to link to."""
    return request_id == SYSTEM or (request_id or "").startswith(CLI)


def value(shown: Any) -> str:
    """One side of a change: text as it is, the rest as JSON."""
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def as_json(entry: AuditEntry) -> dict[str, Any]:
    """All columns, the time as ISO 8601 UTC."""
    columns = {column.key: getattr(entry, column.key) for column in AuditEntry.__mapper__.column_attrs}
    return columns | {"created_at": entry.created_at.astimezone(UTC).isoformat()}


def as_line(entry: AuditEntry) -> str:
    """One line for a terminal, with the local time and the names of the fields."""
    moment = f"{entry.created_at.astimezone():%Y-%m-%d %H:%M:%S}"
    what = f"{entry.action:<6}  {entry.model} {entry.object_id}"
    return inert(f"{entry.id:>8}  {moment}  {what}  ({', '.join(entry.changes)})  {who(entry)}")


def as_text(entry: AuditEntry) -> str:
    """One entry for a terminal, a line a field."""
    cause = f"{entry.request_id} {entry.ip or ''}".strip() if not outside_requests(entry.request_id) else ""
    head = f"{entry.created_at.astimezone():%Y-%m-%d %H:%M:%S}  {entry.action}  {who(entry)}  {cause}".rstrip()
    fields = [f"    {field}: {value(old)} → {value(new)}" for field, (old, new) in entry.changes.items()]
    return "\n".join(map(inert, [head, *fields]))
