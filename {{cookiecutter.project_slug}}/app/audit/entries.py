"""This makes rows of the trail from an object's row before and after its change."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Mapper

from ..actor import leave_names_out
from ..database import utcnow
from ..inserts import insert_rows
from .models import AuditEntry
from .options import options
from .origin import origin
from .snapshot import Identity, Row
from .values import to_json

INSERT, UPDATE, DELETE = ACTIONS = ("insert", "update", "delete")
MASK = "[masked]"
#: The length of the column, in characters.
OBJECT_ID_LIMIT = 255
INSERT_BATCH = 100
TABLE = AuditEntry.metadata.tables[AuditEntry.__tablename__]

#: Maps each field to its old and its new value.
Changes = dict[str, list[Any]]


def differences(mapper: Mapper[Any], old: Row, new: Row) -> Changes:
    """Return the columns that differ; a value that is absent counts as None."""
    changes = {}
    for field, column in options(mapper).columns.items():
        before, after = old.get(field), new.get(field)
        if before is after:
            continue
        if before is None or after is None or not column.type.compare_values(before, after):
            changes[field] = [before, after]
    return changes


def entry(action: str, mapper: Mapper[Any], identity: Identity, changes: Changes) -> dict[str, Any]:
    """Return the columns of an entry, with values as people read them; a mark replaces masked values for good."""
    model = options(mapper)
    shown = {
        field: [MASK if field in model.masked and side is not None else to_json(side) for side in sides]
        for field, sides in changes.items()
    }
    return {
        "action": action,
        "model": model.name,
        "object_id": ",".join(str(to_json(part)) for part in identity)[:OBJECT_ID_LIMIT],
        "changes": leave_names_out(shown),
    }


def write(connection: Connection, entries: Iterable[dict[str, Any]]) -> None:
    """Add entries in the connection's transaction; an update that changed nothing gets none."""
    common = {"created_at": utcnow(), **origin()}
    rows = (common | each for each in entries if each["changes"] or each["action"] != UPDATE)
    # Entries are made a few at a time: the garbage collector takes longer for thousands of them than the database.
    while batch := list(islice(rows, INSERT_BATCH)):
        insert_rows(connection, TABLE, batch)
