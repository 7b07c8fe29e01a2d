"""SQLite for many users at once: the settings of a connection, and when a transaction begins.

SQLite has one write lock for a whole file. If a transaction reads first and writes later, SQLite refuses the write at
once when another connection has written in between. A transaction that begins with the lock (``BEGIN IMMEDIATE``)
waits for its turn instead, but keeps every other writer out until it ends. So the kind of statement decides:

- A SELECT begins no transaction. Each SELECT sees what is committed, as it does on PostgreSQL, and holds no lock while
  the application does something else, such as checking a password.
- Every other statement begins a transaction with ``BEGIN IMMEDIATE``, unless one is open.
- So does a SELECT ``with_for_update()``: use it to read and then write.
- ``app.database.begin`` begins a transaction by hand.

If sqlite3 itself began the transactions, a released savepoint would outlive the rollback.
"""

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, GenerativeSelect, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from .private_files import make_file, why_link

# The first words of statements that only read, or that SQLite refuses within a transaction. A list of writes would miss
# some, and a write outside of a transaction survives the rollback.
READS = {"SELECT", "VALUES", "EXPLAIN", "PRAGMA", "ATTACH", "DETACH", "VACUUM", "BEGIN"}
# The group is possessive (*+): otherwise a line of dashes without a word would be divided in all possible ways.
FIRST_WORD = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/)*+(\w+)", re.DOTALL)
WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


class Compiler(SQLiteCompiler):
    """SQLAlchemy's compiler, which also notes ``with_for_update()``, since SQLite's SQL has no words for that."""

    for_update = False

    def for_update_clause(self, select: Any, **kw: Any) -> str:
        self.for_update = True
        return ""


def in_memory(url: URL) -> bool:
    """Return whether this is a SQLite database that is in no file."""
    place = url.database or ":memory:"
    return url.get_backend_name() == "sqlite" and (":memory:" in place or url.query.get("mode") == "memory")


def set_up_sqlite(engine: Engine) -> None:
    """Make a SQLite engine's connections and transactions safe for many users; other databases are left as they are.

    :raises ValueError: the database's file is a link
    """
    if engine.dialect.name != "sqlite":
        return
    path = engine.url.database or ":memory:"
    if not path.startswith((":", "file:")):
        if why := why_link(Path(path)):
            raise ValueError(why)
        event.listen(engine, "do_connect", make_private_file)
    engine.dialect.statement_compiler = Compiler
    event.listen(engine, "connect", set_pragmas)
    event.listen(engine, "before_cursor_execute", begin_if_needed)


def make_private_file(_dialect: Dialect, _record: object, arguments: tuple[str, ...], _options: object) -> None:
    """Make the database's file if it is missing. SQLite gives the files beside it the same rights."""
    with contextlib.suppress(OSError):  # the connection will say what is wrong
        make_file(Path(arguments[0]))


def set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    # These wait for other connections' locks, and fail on a read-only file. WAL mode stays with the
    # file, so it is enough if one connection succeeds.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA journal_mode=WAL")


def begin_if_needed(
    connection: Connection, cursor: sqlite3.Cursor, statement: str, _parameters: object, context: Any, _many: bool
) -> None:
    """Begin a transaction before each statement that is not known to only read."""
    # An in-memory database has one connection, and so one transaction, for all its sessions.
    if cursor.connection.in_transaction or only_reads(statement, context.compiled):
        return
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def only_reads(statement: str, compiled: Any) -> bool:
    """Return whether a statement is known to write nothing and to lock nothing.

    :param compiled: SQLAlchemy's compiled form of the statement; None for raw SQL
    """
    if isinstance(compiled, Compiler) and isinstance(compiled.statement, GenerativeSelect):
        return not compiled.for_update
    match = FIRST_WORD.match(statement)
    word = match[1].upper() if match else ""
    return word in READS or (word == "WITH" and not WRITES.search(statement))
