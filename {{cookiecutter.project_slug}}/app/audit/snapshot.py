"""The rows of audited objects, read from the database without the session, so that it loads and refreshes nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select, tuple_
from sqlalchemy.orm import Mapper

from .options import options

#: How many keys one query names: SQLite and PostgreSQL limit the number of values in a statement.
KEYS_A_QUERY = 500

#: A primary key, and a row's values by field.
Identity = tuple[Any, ...]
Row = Mapping[str, Any]
Rows = dict[Identity, Row]


def read(connection: Connection, mapper: Mapper[Any], identities: Iterable[Identity]) -> Rows:
    """Return the rows of these objects by primary key; an object that does not exist is absent."""
    found: Rows = {}
    for condition in among(mapper, identities):
        found |= by_identity(mapper, connection.execute(query(mapper).where(condition)))
    return found


def query(mapper: Mapper[Any]) -> Select[Any]:
    return select(*mapper.primary_key, *options(mapper).columns.values()).select_from(mapper)


def among(mapper: Mapper[Any], identities: Iterable[Identity]) -> Iterator[ColumnElement[bool]]:
    """Yield conditions that together find the objects of these primary keys."""
    identities = list(identities)
    for start in range(0, len(identities), KEYS_A_QUERY):
        yield tuple_(*mapper.primary_key).in_(identities[start : start + KEYS_A_QUERY])


def by_identity(mapper: Mapper[Any], rows: Iterable[Sequence[Any]]) -> Rows:
    width, fields = len(mapper.primary_key), options(mapper).columns
    return {tuple(row[:width]): dict(zip(fields, row[width:], strict=True)) for row in rows}
