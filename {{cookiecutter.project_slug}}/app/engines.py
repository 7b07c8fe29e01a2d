"""What an engine is made with, and what is set on its connections: options, limits, listeners, the encoding."""

import functools
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from .sqlite import in_memory

#: Options of a URL that are numbers, or 1 and 0 for yes and no, and that SQLAlchemy gives to the driver as text.
NUMBERS = {
    "postgresql": ("prepare_threshold", "autocommit"),
    "mysql": ("autocommit", "binary_prefix", "defer_connect", "max_allowed_packet"),
}

logger = logging.getLogger(__name__)


class UnstorableText(ValueError):
    """A text with a NUL, which PostgreSQL refuses, or with half of a surrogate pair, which no driver can encode."""


def engine_options(url: str | sa.URL, *, for_log: bool = False) -> dict[str, Any]:
    """Return what create_engine takes; options in the URL itself go first.

    Raises ValueError, which says what was expected, if one of them is understood by no driver.

    :param for_log: the log's records can wait, so its engine has few connections and waits little, for locks too
    :raises ValueError: the log's database is in memory
    """
    url = sa.make_url(url)
    if for_log and in_memory(url):
        raise ValueError("The log would be lost in memory: give it a file or a server, sqlite:///log.db for example.")
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 10} if for_log else {}
    limits: dict[str, Any] = {"timeout": 0.1 if for_log else 5}
    if url.get_backend_name() != "sqlite":
        limits = {"connect_timeout": 3 if for_log else 10}
        # The pool notices before use that the server has closed a connection overnight.
        pool |= {"pool_pre_ping": True, "pool_recycle": 1800}
    if url.get_backend_name() == "postgresql":
        # Of a database in SQL_ASCII psycopg would return bytes.
        limits["client_encoding"] = "utf8"
    limits = {name: value for name, value in limits.items() if name not in url.query}
    # The text of an error must not repeat the values of its statement: one may be a password's hash.
    return {"hide_parameters": True, "connect_args": limits | typed_options(url), **pool}


def typed_options(url: sa.URL) -> dict[str, int | None]:
    """Return the options of a URL that the drivers want as numbers and SQLAlchemy would give them as text.

    With a ``prepare_threshold`` of 0 or ``none`` psycopg prepares no statement. (By itself it would take 0 for "each at
    once", which a pooler in transaction mode does not bear either.)
    """
    found: dict[str, int | None] = {}
    for name in NUMBERS.get(url.get_backend_name().replace("mariadb", "mysql"), ()):
        if (text := url.query.get(name)) is None:
            continue
        number = "0" if (name, text) == ("prepare_threshold", "none") else str(text)
        if not number.isdecimal():
            raise ValueError(f"expected a whole number for {name} in the URL, not {text}")
        found[name] = int(number)
    if found.get("prepare_threshold") == 0:
        found["prepare_threshold"] = None
    return found


def keep_listeners_out(engine: sa.Engine) -> None:
    """Let no listener reach this engine that an application set on all engines (on ``Engine``, ``Pool``, ``Dialect``).

    Such a listener may use the request or ``g``, which the log's thread does not have. SQLAlchemy gives each class the
    listeners of its bases, unless the class has the attribute that is set here.
    """
    parts: list[Any] = [engine, engine.pool, engine.dialect]
    for part in parts:
        earlier = part.__dict__.pop("dispatch", None)
        kind: Any = type(part)
        part.__class__ = without_inherited_listeners(kind)
        if earlier is not None:  # those that SQLAlchemy itself has set on this very object
            part.dispatch._update(earlier, only_propagate=False)


@functools.cache
def without_inherited_listeners(kind: Any) -> type:
    own = {"_sa_propagate_class_events": False, "__module__": kind.__module__}
    if issubclass(kind, sa.Dialect):
        own["supports_statement_cache"] = kind.supports_statement_cache
    return type(kind.__name__, (kind,), own)


def limit_lock_waits(engine: sa.Engine) -> None:
    """Let no statement of this engine wait longer than two seconds for the lock of another connection."""
    if engine.dialect.name == "postgresql":
        # By transaction: a pooler gives a connection to others after each, with what was set for the session.
        @sa.event.listens_for(engine, "begin")
        def set_limit(connection: sa.Connection) -> None:
            driver: Any = connection.connection.dbapi_connection
            driver.execute("SET LOCAL lock_timeout = '2s'")

    elif engine.dialect.name != "sqlite":

        @sa.event.listens_for(engine, "connect")
        def set_limits(connection: Any, _record: object) -> None:
            connection.cursor().execute("SET SESSION innodb_lock_wait_timeout = 2, SESSION lock_wait_timeout = 2")
            connection.commit()


def refuse_unstorable_text(engine: sa.Engine) -> None:
    """Raise UnstorableText on every database for a text that PostgreSQL would fail at."""

    @sa.event.listens_for(engine, "before_cursor_execute")
    def look(_connection: object, _cursor: object, _statement: str, given: Any, _context: object, _many: bool) -> None:
        # A list has one element for each row; other parameters are those of a single statement.
        rows: Iterable[Any] = given if isinstance(given, list) else (given,)
        for row in rows:
            for value in row.values() if isinstance(row, Mapping) else row or ():
                if isinstance(value, str) and not is_storable(value):
                    raise UnstorableText("The text contains a NUL character, or half of a surrogate pair.")


def is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def look_at_encoding(engine: sa.Engine) -> None:
    """Warn at the first connection of the process if a PostgreSQL database cannot store every character."""
    if engine.dialect.name == "postgresql":

        @sa.event.listens_for(engine, "connect")
        def look(connection: Any, _record: object) -> None:
            if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
                warn_of_encoding(connection.info.dbname, encoding)


@functools.cache
def warn_of_encoding(name: str, encoding: str) -> None:
    logger.warning(
        "The database %s is in %s, not in UTF8: some texts cannot be stored, or not be searched. Make another with"
        " `createdb --encoding=UTF8 --template=template0 NAME`, and move the data there with pg_dump and psql.",
        name,
        encoding,
    )
