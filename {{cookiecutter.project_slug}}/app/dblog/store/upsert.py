"""One batch in one transaction: its rows are stored, counted, and open their problems, or nothing happens.

Each table is written in the order of its key: writers that take the same locks in the same order cannot deadlock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Insert, Table, Update, bindparam, case, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ...database import day_of
from ...inserts import insert_if_absent, insert_rows
from ..capture.sanitize import clean_text
from ..models import OPEN, LogDay, LogEntry, LogHour, LogProblem, LogProblemDay, LogProblemHour
from .affected import count_users
from .decided import reopen
from .dropped import read_dropped
from .releases import note_releases
from .rows import Row
from .storms import Place, Storms, is_behind, last_places, read_places, write_places

TITLE_LIMIT = PLACE_LIMIT = 500

_COUNTED = ("fingerprint", "hour", "level", "logger")
_counted, _level, _created_at = itemgetter(*_COUNTED), itemgetter("level"), itemgetter("created_at")

_entry, _problem, _hour, _day, _problem_hour, _problem_day = (
    LogEntry.metadata.tables[model.__tablename__]
    for model in (LogEntry, LogProblem, LogHour, LogDay, LogProblemHour, LogProblemDay)
)


def insert_and_count(connection: Connection, rows: Sequence[Row], replay: bool, storms: Storms | None = None) -> bool:
    """Insert the rows and count them; the caller commits.

    Return whether the database has a place in the journal, because some rows were only counted, now or before.

    :param replay: whether some of the rows may be there already (after an ambiguous commit, or from a dead process's
        journal); those are neither inserted nor counted again
    :param storms: chooses the rows to store; None stores all
    """
    reached: dict[str, Place] = {}
    if replay:
        ids = [row["event_id"] for row in rows]
        known = set(connection.scalars(select(_entry.c.event_id).where(_entry.c.event_id.in_(ids))))
        reached = read_places(connection, last_places(rows))
        rows = [row for row in rows if row["event_id"] not in known and not is_behind(row, reached)]
    if not rows:
        return bool(reached)
    stored = storms.choose(connection, rows) if storms else rows
    if stored:
        insert_rows(connection, _entry, stored)
    members: dict[str, list[Row]] = {}
    for row in rows:
        members.setdefault(row["fingerprint"], []).append(row)
    _count_problems(connection, members)
    reopen(connection, members, note_releases(connection, rows))
    count_users(connection, rows)
    counts = _counts(rows, stored)
    for table in (_hour, _day, _problem_hour, _problem_day):
        connection.execute(upsert_count(connection.dialect.name, table), _added_up(table, counts))
    if len(stored) < len(rows):
        write_places(connection, last_places(rows))
    return bool(reached) or len(stored) < len(rows)


def _count_problems(connection: Connection, members: Mapping[str, Sequence[Row]]) -> None:
    """Add to the counts of the known problems, mostly all of them, then insert the new problems and count these.

    An upsert would use up a problem's number for each row of each batch, and these numbers are parts of addresses.
    """
    problems = []
    for fingerprint, own in sorted(members.items()):
        newest = max(own, key=_created_at)
        problems.append(
            {
                "fingerprint": fingerprint,
                "level": max(map(_level, own)),
                "title": clean_text(own[0]["title"], TITLE_LIMIT),
                "place": clean_text(_place(newest), PLACE_LIMIT),
                "count": len(own),
                "first_seen": min(map(_created_at, own)),
                "last_seen": newest["created_at"],
                "status": OPEN,
            }
        )
    if _count_in(connection, problems) < len(problems):
        known = set(connection.scalars(select(_problem.c.fingerprint).where(_problem.c.fingerprint.in_(members))))
        new = [each for each in problems if each["fingerprint"] not in known]
        blank = {"count": 0, "users": 0, "in_next_deploy": False}
        dropped = read_dropped(connection, [each["fingerprint"] for each in new])
        absent = [each | blank | dropped.get(each["fingerprint"], {}) for each in new]
        connection.execute(insert_if_absent(connection.dialect.name, _problem, "fingerprint"), absent)
        _count_in(connection, new)


def _place(row: Row) -> str:
    """Return where a record was logged, and in which request."""
    return " · ".join(filter(None, (row["place"], row["method"] and f"{row['method']} {row['path']}")))


def _count_in(connection: Connection, problems: Sequence[Row]) -> int:
    """Add a batch's records to the counts of their problems; returns how many of the problems exist."""
    renamed = [{f"new_{name}": value for name, value in each.items()} for each in problems]
    return connection.execute(_COUNT_IN, renamed).rowcount


def _update_counts() -> Update:
    """Return the UPDATE of one problem."""
    old = _problem.c
    new = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in old}
    return (
        update(_problem)
        .where(old.fingerprint == new["fingerprint"])
        .values(
            count=old["count"] + new["count"],
            level=case((new["level"] > old.level, new["level"]), else_=old.level),
            first_seen=case((new["first_seen"] < old.first_seen, new["first_seen"]), else_=old.first_seen),
            last_seen=case((new["last_seen"] > old.last_seen, new["last_seen"]), else_=old.last_seen),
            place=case((new["last_seen"] >= old.last_seen, new["place"]), else_=old.place),
        )
    )


_COUNT_IN = _update_counts()


def _counts(rows: Sequence[Row], stored: Sequence[Row]) -> list[Row]:
    """Return how many records there are of each problem, hour, level and logger, and how many of them have no row."""
    counts = Counter(map(_counted, rows))
    of_stored = counts if stored is rows else Counter(map(_counted, stored))
    return [
        dict(zip(_COUNTED, key, strict=True))
        | {"day": day_of(key[1]), "count": count, "without_row": count - of_stored[key]}
        for key, count in counts.items()
    ]


def _added_up(table: Table, counts: Sequence[Row]) -> list[Row]:
    """Return the counts added up by the table's key, sorted by that key."""
    names = [column.name for column in table.primary_key]
    sums: dict[tuple[Any, ...], Row] = {}
    for each in counts:
        key = tuple(each[name] for name in names)
        total = sums.setdefault(key, dict(zip(names, key, strict=True)) | {"count": 0, "without_row": 0})
        for name in ("count", "without_row"):
            total[name] += each[name]
    return [sums[key] for key in sorted(sums)]


@cache
def upsert_count(dialect: str, table: Table) -> Insert:
    """Return an INSERT that adds to a count that is there already.

    A SELECT before it would not help: two processes may both find nothing at the same time.
    """
    names = ("count", "without_row")
    if dialect in ("mysql", "mariadb"):
        replace = mysql.insert(table)
        return replace.on_duplicate_key_update({name: table.c[name] + replace.inserted[name] for name in names})
    upsert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    totals = {name: table.c[name] + upsert.excluded[name] for name in names}
    return upsert.on_conflict_do_update(index_elements=list(table.primary_key), set_=totals)
