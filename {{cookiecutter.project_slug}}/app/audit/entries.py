"""From values before and after to rows of the trail."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Connection, insert
from sqlalchemy.orm import Mapper

from app.database import utcnow

from .marks import marks
from .models import AuditEntry
from .origin import origin
from .plain import plain

INSERT, UPDATE, DELETE = ACTIONS = ("insert", "update", "delete")
MASK = "[masked]"
MAX_ID = 255

Identity = tuple[Any, ...]
Changes = dict[str, list[Any]]


def differences(mapper: Mapper[Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    """The columns that differ, as ``{field: [old, new]}``; a value that is absent is None."""
    changes = {}
    masked = marks(mapper).masked
    for field, column in marks(mapper).columns.items():
        before, after = old.get(field), new.get(field)
        if before is after or (before is not None and after is not None and same(column, before, after)):
            continue
        changes[field] = [mask(before), mask(after)] if field in masked else [plain(before), plain(after)]
    return changes


def same(column: Column[Any], before: Any, after: Any) -> bool:
    return column.type.compare_values(before, after)


def mask(value: Any) -> str | None:
    return None if value is None else MASK


def entry(action: str, mapper: Mapper[Any], identity: Identity, changes: Changes) -> dict[str, Any]:
    object_id = str(plain(identity[0])) if len(identity) == 1 else ",".join(str(plain(part)) for part in identity)
    return {"action": action, "model": marks(mapper).name, "object_id": object_id[:MAX_ID], "changes": changes}


def write(connection: Connection, entries: list[dict[str, Any]]) -> None:
    """Add entries to whatever transaction the connection is in."""
    if entries:
        common = {"created_at": utcnow(), **origin()}
        connection.execute(insert(AuditEntry), [common | each for each in entries])
