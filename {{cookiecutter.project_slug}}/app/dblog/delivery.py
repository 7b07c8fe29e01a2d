"""One batch to the database: all of it, or all but the rows that no database takes; else the error, and nothing."""

import sqlite3
from collections.abc import Sequence

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import DBAPIError

from .event import internal
from .models import LogEntry
from .plain import text
from .rows import make_row
from .spool import Event
from .store import store

#: Records that were refused for what is in them: event id, event, and what was wrong with it.
Refused = list[tuple[str, Event, Exception]]

# What the same statements may overcome in a moment: somebody's lock, a row that was stored meanwhile (it is known at
# the next try), a server that stops, a full disk. Classes of SQLSTATE, and MySQL's and SQLite's numbers for the like.
_PASSING_CLASSES = {"40", "53", "55", "57", "58"}
_PASSING = {"23505", 1020, 1021, 1062, 1114, 1205, 1213, 3024}
_SQLITE_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_SQLITE_DUPLICATE = sqlite3.SQLITE_CONSTRAINT_UNIQUE


def deliver(engine: Engine, events: Sequence[tuple[str, Event]], replay: bool, root: str) -> Refused:
    """Commit the events, each with its id, and return those refused; raises if the database takes none at present.

    :param replay: some may be in the database already
    :param root: see :func:`app.dblog.rows.make_row`
    """
    try:
        rows = [make_row(event_id, event, root) for event_id, event in events]
        with engine.begin() as connection:
            store(connection, rows, replay)
        return []
    except Exception as error:
        disconnected = isinstance(error, DBAPIError) and error.connection_invalidated
        if disconnected or is_contention(error) or not _accepts_rows(engine):
            raise
        if replay and len(events) == 1:
            return [(*events[0], error)]
    if not replay:
        return deliver(engine, events, True, root)
    half = len(events) // 2
    return deliver(engine, events[:half], True, root) + deliver(engine, events[half:], True, root)


def _accepts_rows(engine: Engine) -> bool:
    """Whether a harmless row would be taken: then the fault is in the data, else in the database or its tables."""
    try:
        with engine.connect() as connection:
            store(connection, [make_row("probe", internal("probe"), "")], replay=False)
            connection.rollback()
        return True
    except Exception:
        return False


def is_contention(error: BaseException) -> bool:
    """Whether the same statements may succeed in a moment, mostly since somebody else's lock was in the way."""
    cause = getattr(error, "orig", None)
    state = getattr(cause, "sqlstate", None) or ""
    if state[:2] in _PASSING_CLASSES or not _PASSING.isdisjoint({state, *getattr(cause, "args", ())[:1]}):
        return True
    code = getattr(cause, "sqlite_errorcode", 0)
    return code & 0xFF in _SQLITE_PASSING or code == _SQLITE_DUPLICATE


def diagnose(engine: Engine, error: Exception) -> str:
    """What is wrong with the database, and what to do about it where that is known."""
    try:
        missing = not inspect(engine).has_table(LogEntry.__tablename__)
    except Exception:
        return f"the log database cannot be reached ({reason(error)})"
    if missing:
        return "the log's tables are missing: run `flask db upgrade`"
    return f"the log database takes no rows ({reason(error)})"


def reason(error: BaseException) -> str:
    """The error in one short line, without the statement and without secrets."""
    cause = getattr(error, "orig", None) or error
    return text(" ".join(f"{type(cause).__name__}: {cause}".split()), 200)
