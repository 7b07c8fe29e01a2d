"""From rows before and after to rows of the trail."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Mapper

from ..database import utcnow
from ..inserts import insert_rows
from .models import AuditEntry
from .options import marks
from .origin import origin
from .snapshot import Identity, Row
from .values import to_json

INSERT, UPDATE, DELETE = ACTIONS = ("insert", "update", "delete")
MASK = "[masked]"
MAX_ID = 255
BATCH = 100
TABLE = AuditEntry.metadata.tables[AuditEntry.__tablename__]

Changes = dict[str, list[Any]]


def differences(mapper: Mapper[Any], old: Row, new: Row) -> Changes:
    """The columns that differ, as ``{field: [old, new]}``; a value that is absent is None."""
    changes = {}
    for field, column in marks(mapper).columns.items():
        before, after = old.get(field), new.get(field)
        if before is after:
            continue
        if before is None or after is None or not column.type.compare_values(before, after):
            changes[field] = [before, after]
    return changes


def entry(action: str, mapper: Mapper[Any], identity: Identity, changes: Changes) -> dict[str, Any]:
    """An entry for people to read; no masked value gets past here."""
    marked = marks(mapper)
    return {
        "action": action,
        "model": marked.name,
        "object_id": ",".join(str(to_json(part)) for part in identity)[:MAX_ID],
        "changes": {
            field: [mask(side) if field in marked.masked else to_json(side) for side in sides]
            for field, sides in changes.items()
        },
    }


def mask(value: Any) -> str | None:
    return None if value is None else MASK


def write(connection: Connection, entries: Iterable[dict[str, Any]]) -> None:
    """Add entries to whatever transaction the connection is in; an update that changed nothing gets none."""
    common = {"created_at": utcnow(), **origin()}
    rows = (common | each for each in entries if each["changes"] or each["action"] != UPDATE)
    # A few at a time: with thousands of dicts alive the garbage collector takes longer than the database.
    while batch := list(islice(rows, BATCH)):
        insert_rows(connection, TABLE, batch)
