"""What the database holds of audited objects, past the session: nothing in it is loaded or refreshed."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select, tuple_
from sqlalchemy.orm import Mapper

from .entries import Identity
from .marks import marks

BATCH = 500  # SQLite and PostgreSQL bind a limited number of values a statement


def read(connection: Connection, mapper: Mapper[Any], identities: Iterable[Identity]) -> dict[Identity, dict[str, Any]]:
    """The columns of these objects by primary key; those that do not exist are absent."""
    found: dict[Identity, dict[str, Any]] = {}
    for where in named(mapper, identities):
        found |= by_identity(mapper, connection.execute(query(mapper).where(where)))
    return found


def query(mapper: Mapper[Any]) -> Select[Any]:
    return select(*mapper.primary_key, *marks(mapper).columns.values()).select_from(mapper)


def named(mapper: Mapper[Any], identities: Iterable[Identity]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together find these objects."""
    identities = list(identities)
    for start in range(0, len(identities), BATCH):
        some = identities[start : start + BATCH]
        if len(mapper.primary_key) == 1:
            yield mapper.primary_key[0].in_([key for (key,) in some])
        else:
            yield tuple_(*mapper.primary_key).in_(some)


def by_identity(mapper: Mapper[Any], rows: Iterable[Sequence[Any]]) -> dict[Identity, dict[str, Any]]:
    width, fields = len(mapper.primary_key), marks(mapper).columns
    return {tuple(row[:width]): dict(zip(fields, row[width:], strict=True)) for row in rows}
