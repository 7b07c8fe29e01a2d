"""One batch of rows in one transaction: the rows themselves, their problems and the counts by the hour, or nothing.

Everything is written in the order of its key: writers that take the same locks in the same order cannot deadlock.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from operator import itemgetter

from sqlalchemy import Connection, Insert, Table, Update, bindparam, case, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ...inserts import insert_rows
from ..models import OPEN, RESOLVED, LogEntry, LogHour, LogProblem, LogProblemHour
from .rows import Row

_entry, _problem, _hour, _problem_hour = (
    LogEntry.metadata.tables[model.__tablename__] for model in (LogEntry, LogProblem, LogHour, LogProblemHour)
)


def insert_and_count(connection: Connection, rows: Sequence[Row], replay: bool) -> None:
    """Insert the rows and count them; the caller commits.

    :param replay: some of the rows may be there already (after an ambiguous commit, or from a dead process's journal);
        those are neither inserted nor counted again
    """
    if replay:
        ids = [row["event_id"] for row in rows]
        known = set(connection.scalars(select(_entry.c.event_id).where(_entry.c.event_id.in_(ids))))
        rows = [row for row in rows if row["event_id"] not in known]
    if not rows:
        return
    insert_rows(connection, _entry, rows)
    _count_problems(connection, rows)
    for table in (_hour, _problem_hour):
        connection.execute(_upsert_count(connection.dialect.name, table), _counts(table, rows))


def _count_problems(connection: Connection, rows: Sequence[Row]) -> None:
    """Make the problems that are new, then count in all.

    One statement for both would take a number for every row of every batch, and problems are addressed by number.
    """
    members: dict[str, list[Row]] = {}
    for row in rows:
        members.setdefault(row["fingerprint"], []).append(row)
    query = select(_problem.c.fingerprint).where(_problem.c.fingerprint.in_(members))
    new = sorted(members.keys() - set(connection.scalars(query)))
    if new:
        connection.execute(_insert_if_absent(connection.dialect.name), [_new_problem(members[each]) for each in new])
    connection.execute(_COUNT_PROBLEM, [_news_of(fingerprint, members[fingerprint]) for fingerprint in sorted(members)])


def _new_problem(rows: Sequence[Row]) -> Row:
    """Return the columns of a problem that has no record yet; :data:`_COUNT_PROBLEM` counts the first ones in."""
    first = rows[0]
    return {
        "fingerprint": first["fingerprint"],
        "level": first["level"],
        "title": first["title"],
        "count": 0,
        "first_seen": first["created_at"],
        "last_seen": first["created_at"],
        "status": OPEN,
    }


def _news_of(fingerprint: str, rows: Sequence[Row]) -> Row:
    return {
        "key": fingerprint,
        "more": len(rows),
        "highest": max(row["level"] for row in rows),
        "earliest": min(row["created_at"] for row in rows),
        "latest": max(row["created_at"] for row in rows),
    }


def _count_problem() -> Update:
    old = _problem.c
    highest = bindparam("highest", type_=old.level.type)
    earliest = bindparam("earliest", type_=old.first_seen.type)
    latest = bindparam("latest", type_=old.last_seen.type)
    return (
        update(_problem)
        .where(old.fingerprint == bindparam("key"))
        .values(
            count=old["count"] + bindparam("more"),
            level=case((highest > old.level, highest), else_=old.level),
            first_seen=case((earliest < old.first_seen, earliest), else_=old.first_seen),
            last_seen=case((latest > old.last_seen, latest), else_=old.last_seen),
            # A problem that was resolved opens again.
            status=case((old.status == RESOLVED, OPEN), else_=old.status),
        )
    )


_COUNT_PROBLEM = _count_problem()


@cache
def _insert_if_absent(dialect: str) -> Insert:
    """Return an INSERT that leaves alone the problem which another process made in the meantime."""
    if dialect in ("mysql", "mariadb"):
        # Not INSERT IGNORE: it would also cut texts and turn NULL into 0.
        return mysql.insert(_problem).on_duplicate_key_update(fingerprint=_problem.c.fingerprint)
    upsert = postgresql.insert(_problem) if dialect == "postgresql" else sqlite.insert(_problem)
    return upsert.on_conflict_do_nothing(index_elements=[_problem.c.fingerprint])


def _counts(table: Table, rows: Sequence[Row]) -> list[Row]:
    names = [column.name for column in table.primary_key]
    counts = Counter(map(itemgetter(*names), rows))
    return [{**dict(zip(names, key, strict=True)), "count": count} for key, count in sorted(counts.items())]


@cache
def _upsert_count(dialect: str, table: Table) -> Insert:
    """Return an INSERT that adds to the count where there is one. To look first is what two processes do at once."""
    if dialect in ("mysql", "mariadb"):
        replace = mysql.insert(table)
        return replace.on_duplicate_key_update(count=table.c["count"] + replace.inserted["count"])
    upsert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    total = table.c["count"] + upsert.excluded["count"]
    return upsert.on_conflict_do_update(index_elements=list(table.primary_key), set_={"count": total})
