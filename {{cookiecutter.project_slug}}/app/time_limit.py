"""How long one statement of a page's search may run, on every database.

The limit is set for the reading transaction, or for each of its statements. It is never set for the connection, since
the log's writer and other requests use the same ones.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

STATEMENT_SECONDS = 5.0
#: How often SQLite asks whether to go on, in steps of its virtual machine: some 50 rows of a search.
SQLITE_STEPS = 1_000

# The errors of a statement that ran too long: PostgreSQL's SQLSTATE, and the numbers of MySQL and MariaDB.
_LIMIT_HIT = {"57014", 3024, 1969}


@contextmanager
def limited(connection: Connection) -> Iterator[None]:
    """Let no statement in the block run longer than :data:`STATEMENT_SECONDS`.

    On PostgreSQL the limit holds until the transaction ends.
    """
    dialect: Any = connection.dialect
    if dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(STATEMENT_SECONDS * 1_000)}")
        yield
        return
    is_sqlite = dialect.name == "sqlite"
    listener: Any = _start_clock if is_sqlite else _limit_of_mariadb if dialect.is_mariadb else _limit_of_mysql
    # After an error the session has given its connection back to the pool, so the driver's is remembered here.
    driver: Any = connection.connection.dbapi_connection
    event.listen(connection, "before_cursor_execute", listener, retval=not is_sqlite)
    try:
        yield
    finally:
        # A statement after the block would start SQLite's clock again, for whoever gets the connection next, too.
        event.remove(connection, "before_cursor_execute", listener)
        if is_sqlite:
            driver.set_progress_handler(None, 0)


def is_limit_hit(error: BaseException) -> bool:
    """Whether a statement failed because it ran too long."""
    cause = getattr(error, "orig", None)
    codes = {getattr(cause, "sqlstate", None), *getattr(cause, "args", ())[:1]}
    return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT or not _LIMIT_HIT.isdisjoint(codes)


def _start_clock(_connection: Connection, cursor: sqlite3.Cursor, *_: object) -> None:
    end = time.monotonic() + STATEMENT_SECONDS
    cursor.connection.set_progress_handler(lambda: time.monotonic() > end, SQLITE_STEPS)


def _limit_of_mariadb(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: object
) -> tuple[str, Any]:
    return f"SET STATEMENT max_statement_time={STATEMENT_SECONDS} FOR {statement}", parameters


def _limit_of_mysql(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: object
) -> tuple[str, Any]:
    hint = f"SELECT /*+ MAX_EXECUTION_TIME({round(STATEMENT_SECONDS * 1_000)}) */"
    return statement.replace("SELECT", hint, 1) if statement.startswith("SELECT") else statement, parameters
