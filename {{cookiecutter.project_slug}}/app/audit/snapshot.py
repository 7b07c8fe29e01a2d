"""What the database holds of audited objects, past the session: nothing in it is loaded or refreshed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select, tuple_
from sqlalchemy.orm import Mapper

from .options import marks

BATCH = 500  # SQLite and PostgreSQL bind a limited number of values a statement

Identity = tuple[Any, ...]
Row = Mapping[str, Any]
Rows = dict[Identity, Row]


def read(connection: Connection, mapper: Mapper[Any], identities: Iterable[Identity]) -> Rows:
    """The columns of these objects by primary key; those that do not exist are absent."""
    found: Rows = {}
    for condition in named(mapper, identities):
        found |= by_identity(mapper, connection.execute(query(mapper).where(condition)))
    return found


def query(mapper: Mapper[Any]) -> Select[Any]:
    return select(*mapper.primary_key, *marks(mapper).columns.values()).select_from(mapper)


def named(mapper: Mapper[Any], identities: Iterable[Identity]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together find these objects."""
    identities = list(identities)
    for start in range(0, len(identities), BATCH):
        yield tuple_(*mapper.primary_key).in_(identities[start : start + BATCH])


def by_identity(mapper: Mapper[Any], rows: Iterable[Sequence[Any]]) -> Rows:
    width, fields = len(mapper.primary_key), marks(mapper).columns
    return {tuple(row[:width]): dict(zip(fields, row[width:], strict=True)) for row in rows}
