"""Many rows in one statement, for the log's writer and the audit trail.

SQLAlchemy converts a row value by value, which takes longer than storing the row in the database. This module converts
the values of a column together. SQLite gets many rows in a statement, since sqlite3 waits for its turn of the
interpreter after each statement. Both raised the log's throughput on SQLite from 29% to 42% of what the driver alone
reaches (the template's benchmarks/throughput.py).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Table, insert
from sqlalchemy.dialects import mysql, postgresql, sqlite

ROWS_A_STATEMENT = 250

Converter = Callable[[Any], Any]


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert one row or more in the connection's transaction.

    :param rows: each has a value for every column except the primary key, which the database assigns
    """
    statement, values, converters = _insert_statement(table, connection.dialect)
    columns = zip(*map(itemgetter(*converters), rows), strict=True)
    converted = [
        column if convert is None else map(convert, column)
        for convert, column in zip(converters.values(), columns, strict=True)
    ]
    ready = list(zip(*converted, strict=True))
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(statement + values, ready)
        return
    for start in range(0, len(ready), ROWS_A_STATEMENT):
        some = ready[start : start + ROWS_A_STATEMENT]
        connection.exec_driver_sql(statement + ", ".join([values] * len(some)), tuple(chain.from_iterable(some)))


@cache
def _insert_statement(table: Table, dialect: Dialect) -> tuple[str, str, dict[str, Converter | None]]:
    """Return the statement up to VALUES, one row's placeholders, and each column's conversion, None if it has none."""
    names = [column.name for column in table.c if not column.primary_key]
    compiled = str(insert(table).inline().compile(dialect=dialect, column_keys=names))
    # Values are passed by position, so named placeholders are replaced.
    head, verb, values = re.sub(r"%\(\w+\)s", "%s", compiled).partition("VALUES ")
    converters: dict[str, Converter | None] = {
        name: table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names
    }
    return head + verb, values, converters


@cache
def insert_if_absent(dialect: str, table: Table, key: str) -> Insert:
    """Return an INSERT that does nothing if another process has inserted a row with the same key in the meantime."""
    if dialect in ("mysql", "mariadb"):
        # INSERT IGNORE is not used: it would also cut texts and turn NULL into 0.
        return mysql.insert(table).on_duplicate_key_update({key: table.c[key]})
    upsert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return upsert.on_conflict_do_nothing(index_elements=[key])
