"""Pruning deletes the counts of whole hours here, and subtracts them from the counts of their days."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    RowMapping,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    or_,
    select,
)

from ...database import Model, day_of
from .many_keys import among
from .upsert import upsert_count


def delete_hours(
    connection: Connection, by_hour: type[Model], by_day: type[Model], before: datetime, most: int
) -> Sequence[RowMapping]:
    """Delete about ``most`` counts of the oldest hours from before a time; return what was deleted.

    If two processes delete the same ones, only one of them gets them and subtracts them.

    :param by_hour: the table to delete from
    :param by_day: the table that has the same counts by the day
    """
    hours, days = (by_hour.metadata.tables[model.__tablename__] for model in (by_hour, by_day))
    oldest = connection.execute(_oldest(hours), {"before": before, "most": most}).all()
    if not oldest:
        return []
    found = _take(connection, hours, oldest)
    names = [column.name for column in days.primary_key]
    less: dict[tuple[Any, ...], Counter[str]] = {}
    for each in found:
        key = {**each, "day": day_of(each["hour"])}
        place = tuple(key[name] for name in names)
        less.setdefault(place, Counter()).update({name: each[name] for name in ("count", "without_row")})
    if less:
        _subtract(connection, hours, days, less)
    return found


def _take(connection: Connection, hours: Table, oldest: Sequence[Any]) -> Sequence[RowMapping]:
    """Delete the counts whose hours and next keys these are, in order, and return what was deleted.

    They are deleted as a range of an index: the comparison with each of 200 keys would take ten times as long.
    """
    first, last = oldest[0][0], oldest[-1][0]
    keys = [key for hour, key in oldest if hour == last]
    values = {"first": first, "last": last, "first_key": keys[0], "last_key": keys[-1]}
    old, deletion = _range(hours), delete(hours).where(_range(hours))
    if connection.dialect.delete_returning:
        return connection.execute(deletion.returning(*hours.c), values).mappings().all()
    found = connection.execute(select(hours).where(old).with_for_update(), values).mappings().all()
    connection.execute(deletion, values)
    return found


def _subtract(connection: Connection, hours: Table, days: Table, less: dict[tuple[Any, ...], Counter[str]]) -> None:
    """Subtract the counts of deleted hours from those of their days, and delete the days that have none left."""
    dialect = connection.dialect.name
    names = [column.name for column in days.primary_key]
    places = dict(zip(names, map(sorted, map(set, zip(*less, strict=True))), strict=True))
    values: dict[str, Any] = {"keys": places[_next_key(days).name]}
    values |= {"first": places["day"][0], "last": places["day"][-1]}
    if "fingerprint" in names:
        values["least"] = min(each["count"] for each in less.values())
        of_places = select(*days.primary_key).where(*_of(dialect, days))
        # All are locked first, along an index and so in the writer's order.
        locked = connection.execute(of_places.with_for_update(), values).all()
        if connection.execute(_ended(dialect, hours, days), values).rowcount == len(locked):
            return
        left = connection.execute(of_places, values)
        less = {place: less[place] for place in map(tuple, left) if place in less}
    if less:
        changes = [
            dict(zip(names, place, strict=True)) | {name: -count for name, count in less[place].items()}
            for place in sorted(less)
        ]
        connection.execute(upsert_count(dialect, days), changes)
        connection.execute(delete(days).where(*_of(dialect, days), days.c["count"] <= 0), values)


@cache
def _oldest(hours: Table) -> Select[Any]:
    keys = hours.c.hour, _next_key(hours)
    return select(*keys).where(hours.c.hour < bindparam("before")).order_by(*keys).limit(bindparam("most"))


@cache
def _range(hours: Table) -> ColumnElement[bool]:
    """Return the condition for the counts of all hours but the last, and for a range of those of the last hour."""
    hour, key = hours.c.hour, _next_key(hours)
    before_last = and_(hour >= bindparam("first"), hour < bindparam("last"))
    in_last = and_(hour == bindparam("last"), key >= bindparam("first_key"), key <= bindparam("last_key"))
    return or_(before_last, in_last)


@cache
def _of(dialect: str, days: Table) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions for the days with these keys, and few others, that are quick on each database.

    With an equation for the day MariaDB would read all of the day's counts.
    """
    return among(dialect, _next_key(days)), days.c.day.between(bindparam("first"), bindparam("last"))


@cache
def _ended(dialect: str, hours: Table, days: Table) -> Delete:
    """Return the deletion of the days of problems that have no hour left; there are many if each row is a problem.

    A day that another process adds to at this moment has more than was deleted, and so it stays.
    """
    others = select(hours.c.hour).where(hours.c.fingerprint == days.c.fingerprint).exists()
    return delete(days).where(*_of(dialect, days), days.c["count"] <= bindparam("least"), ~others)


def _next_key(table: Table) -> ColumnElement[Any]:
    """Return the column that follows the time in an index."""
    return table.c.fingerprint if "fingerprint" in table.c else table.c.level
