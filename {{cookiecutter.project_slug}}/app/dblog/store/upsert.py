"""One batch of rows to one transaction: the rows themselves, their groups and the counts by the hour, or nothing."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Insert, String, Table, case, literal_column, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ...inserts import insert_rows
from ..models import OPEN, RESOLVED, LogEntry, LogGroup, LogGroupHour, LogHour
from .rows import Row

_entry, _group, _hour, _group_hour = (
    LogEntry.metadata.tables[model.__tablename__] for model in (LogEntry, LogGroup, LogHour, LogGroupHour)
)


def insert_and_count(connection: Connection, rows: Sequence[Row], replay: bool) -> None:
    """Insert the rows and count them; the caller commits.

    :param replay: some may be there already (after an ambiguous commit, from a dead process's journal); those are
        neither inserted nor counted again
    """
    if replay:
        ids = [row["event_id"] for row in rows]
        known = set(connection.scalars(select(_entry.c.event_id).where(_entry.c.event_id.in_(ids))))
        rows = [row for row in rows if row["event_id"] not in known]
    if not rows:
        return
    insert_rows(connection, _entry, rows)
    _add(connection, _group, _groups(rows))
    _add(connection, _hour, _counts(_hour, rows))
    _add(connection, _group_hour, _counts(_group_hour, rows))


def _groups(rows: Sequence[Row]) -> list[Row]:
    members: dict[str, list[Row]] = {}
    for row in rows:
        members.setdefault(row["fingerprint"], []).append(row)
    return [
        {
            "fingerprint": fingerprint,
            "level": max(row["level"] for row in group),
            "title": group[0]["title"],
            "count": len(group),
            "first_seen": min(row["created_at"] for row in group),
            "last_seen": max(row["created_at"] for row in group),
            "status": OPEN,
        }
        # Sorted, as the counts are: writers that take the same locks in the same order cannot deadlock.
        for fingerprint, group in sorted(members.items())
    ]


def _counts(table: Table, rows: Sequence[Row]) -> list[Row]:
    names = [column.name for column in table.primary_key]
    counts = Counter(map(itemgetter(*names), rows))
    return [{**dict(zip(names, key, strict=True)), "count": count} for key, count in sorted(counts.items())]


def _add(connection: Connection, table: Table, rows: list[Row]) -> None:
    connection.execute(_upsert(connection.dialect.name, table), rows)


@cache
def _upsert(dialect: str, table: Table) -> Insert:
    """Insert, or add to what is there. Not find-then-create, which two processes do at the same time."""
    if dialect in ("mysql", "mariadb"):
        replace = mysql.insert(table)
        return replace.on_duplicate_key_update(_sums(table, replace.inserted))
    upsert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return upsert.on_conflict_do_update(index_elements=list(table.primary_key), set_=_sums(table, upsert.excluded))


def _sums(table: Table, new: Any) -> dict[str, Any]:
    old = table.c
    sums: dict[str, Any] = {"count": old["count"] + new["count"]}
    if table is _group:
        sums["level"] = case((new["level"] > old["level"], new["level"]), else_=old["level"])
        sums["first_seen"] = case((new["first_seen"] < old["first_seen"], new["first_seen"]), else_=old["first_seen"])
        sums["last_seen"] = case((new["last_seen"] > old["last_seen"], new["last_seen"]), else_=old["last_seen"])
        # Not as parameters: PyMySQL takes those after VALUES for a row's, and fails as soon as there are two rows.
        opened, resolved = literal_column(f"'{OPEN}'", String), literal_column(f"'{RESOLVED}'", String)
        sums["status"] = case((old["status"] == resolved, opened), else_=old["status"])
    return sums
