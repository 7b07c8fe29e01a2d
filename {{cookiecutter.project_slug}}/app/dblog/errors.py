"""The log's exceptions, and what goes wrong in one sentence."""

import os
import sqlite3
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from .capture.sanitize import clean_text
from .models import LogEntry

T = TypeVar("T")

#: The longest text of an error, in characters.
ERROR_LIMIT = 200
TOO_SLOW = "The query was stopped at its time limit: choose a shorter time, a level, a logger or another text."
RETRY_SECONDS = 0.02

# Errors after which the same statements may succeed in a moment: another connection's lock, a row that was stored
# meanwhile (the next try knows it), a server that stops, a full disk. They are given as classes of SQLSTATE, as MySQL's
# numbers and as SQLite's codes.
_TRANSIENT_CLASSES = {"40", "53", "55", "57", "58"}
_TRANSIENT = {"23505", 1020, 1021, 1062, 1114, 1205, 1213, 3024}
# PostgreSQL raises these behind a pooler, whose connections do not share their prepared statements.
_POOLER = {"26000", "42P05"}
_SQLITE_TRANSIENT = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_SQLITE_DUPLICATE = sqlite3.SQLITE_CONSTRAINT_UNIQUE


class Unreadable(Exception):
    """The log's database does not answer, or lacks the log's tables; the text is one sentence for people."""

    def __init__(self, cause: SQLAlchemyError, engine: Engine) -> None:
        self.tables_missing = _lacks_tables(engine) is True
        sentence = f"The log's database cannot be read: {short_error(cause)}"
        super().__init__("The log's tables are missing: run `flask db upgrade`." if self.tables_missing else sentence)


class TooSlow(Unreadable):
    """A query of the log's readers ran longer than it may; the text is one sentence for people."""

    tables_missing = False

    def __init__(self) -> None:
        Exception.__init__(self, TOO_SLOW)


def is_transient(error: BaseException) -> bool:
    """Whether the same statements may succeed in a moment, mostly because another connection's lock was in the way."""
    cause = getattr(error, "orig", None)
    state = getattr(cause, "sqlstate", None) or ""
    if state[:2] in _TRANSIENT_CLASSES or not (_TRANSIENT | _POOLER).isdisjoint(
        {state, *getattr(cause, "args", ())[:1]}
    ):
        return True
    code = getattr(cause, "sqlite_errorcode", 0)
    return code & 0xFF in _SQLITE_TRANSIENT or code == _SQLITE_DUPLICATE


def short_error(error: BaseException) -> str:
    """Return the error in one line of at most 200 characters, without the statement and without secrets."""
    cause = getattr(error, "orig", None) or error
    return clean_text(" ".join(f"{type(cause).__name__}: {cause}".split()), ERROR_LIMIT)


def explain_outage(engine: Engine, error: Exception) -> str:
    """Return what keeps records from the log's database, and what to do about it where that is known.

    Other code on the way, such as a listener on the log's engine, may have raised an error that is not a database's.
    """
    if isinstance(error, OSError):
        return f"the journal cannot be read ({short_error(error)})"
    if not isinstance(error, SQLAlchemyError):
        return f"records cannot be shipped ({short_error(error)}, {_place(error)})"
    if getattr(getattr(error, "orig", None), "sqlstate", None) in _POOLER:
        return f"the log database is behind a pooler: add ?prepare_threshold=0 to its URL ({short_error(error)})"
    missing = _lacks_tables(engine)
    if missing is None:
        return f"the log database cannot be reached ({short_error(error)})"
    if missing:
        return "the log's tables are missing: run `flask db upgrade`"
    return f"the log database takes no rows ({short_error(error)})"


def retry_while_busy(action: Callable[[], T], engine: Engine, seconds: float) -> T:
    """Return the action's result, after up to ``seconds`` of trying; raises :class:`Unreadable`.

    A writer at full speed holds SQLite's only lock most of the time.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return action()
        except SQLAlchemyError as error:
            busy = is_transient(error) or isinstance(error, PoolTimeout)
            if not busy or time.monotonic() > end:
                raise Unreadable(error, engine) from error
            time.sleep(RETRY_SECONDS)


def warn_on_stderr(sentence: str) -> None:
    """Print one line on stderr, if there is a stderr; it is for sentences that the log cannot log about itself."""
    try:
        print(f"dblog: {sentence}", file=sys.stderr, flush=True)
    except Exception:
        return


def _place(error: Exception) -> str:
    """Return where an error was raised: the innermost line that is neither the log's own nor a library's."""
    frames = traceback.extract_tb(error.__traceback__)
    libraries = (os.path.dirname(__file__), sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))
    others = [each for each in frames if not each.filename.startswith(libraries)]
    frame = (others or frames)[-1]
    return f"raised in {frame.name}, {frame.filename} line {frame.lineno}"


def _lacks_tables(engine: Engine) -> bool | None:
    """Whether the log's tables are missing; None if the database does not answer.

    The pooled connection is thrown away afterwards: it may keep a fault from the time when it was opened, such as a
    file that was read-only or a server that was on standby.
    """
    try:
        with engine.connect() as connection:
            lacks_tables = not inspect(connection).has_table(LogEntry.__tablename__)
            connection.invalidate()
        return lacks_tables
    except Exception:
        return None
