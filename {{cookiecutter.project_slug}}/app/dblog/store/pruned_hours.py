"""Pruning deletes the counts of whole hours here, and subtracts them from the counts of their days."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, bindparam, delete, select, tuple_, update

from ...database import Model, day_of
from ..models import LogHour


def delete_hours(
    connection: Connection, by_hour: type[Model], by_day: type[Model], before: datetime, most: int
) -> Sequence[RowMapping]:
    """Delete up to ``most`` counts of the oldest hours from before a time; return what was deleted.

    The query locks the counts before they are subtracted: if two processes delete the same ones, only one subtracts
    them.

    :param by_hour: the table to delete from
    :param by_day: the table that has the same counts by the day
    """
    hours, days = (LogHour.metadata.tables[model.__tablename__] for model in (by_hour, by_day))
    key, day_key = ([column.name for column in table.primary_key] for table in (hours, days))
    oldest = select(hours).where(hours.c.hour < before).order_by(hours.c.hour).limit(most)
    found = connection.execute(oldest.with_for_update()).mappings().all()
    if not found:
        return found
    keys = [tuple(each[name] for name in key) for each in found]
    connection.execute(delete(hours).where(*_near(hours, keys), tuple_(*hours.primary_key).in_(keys)))
    less: dict[tuple[Any, ...], Counter[str]] = {}
    for each in found:
        day = {**each, "day": day_of(each["hour"])}
        sums = less.setdefault(tuple(day[name] for name in day_key), Counter())
        sums.update(less=each["count"], less_without_row=each["without_row"])
    names = [f"of_{name}" for name in day_key]
    subtract = update(days).values(
        count=days.c["count"] - bindparam("less"), without_row=days.c.without_row - bindparam("less_without_row")
    )
    same_day = [column == bindparam(f"of_{column.name}") for column in days.primary_key]
    changes = [{**dict(zip(names, place, strict=True)), **less[place]} for place in sorted(less)]
    connection.execute(subtract.where(*same_day), changes)
    connection.execute(delete(days).where(*_near(days, [*less]), days.c["count"] <= 0))
    return found


def _near(table: Table, keys: Sequence[tuple[Any, ...]]) -> Iterator[ColumnElement[bool]]:
    """Yield conditions by which a database finds the rows with these keys, and few others.

    SQLite reads the whole table for a condition on all columns of a key together.
    """
    for column, values in zip([*table.primary_key][:2], zip(*keys, strict=True), strict=False):
        yield column.in_(sorted({*values}))
