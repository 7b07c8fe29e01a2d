"""How an engine is made, and what is set on its connections: options, limits, listeners, the encoding."""

import functools
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from .sqlite import in_memory

#: Options of a URL that drivers want as numbers (1 and 0 for yes and no), but that SQLAlchemy passes on as text.
NUMBERS = {
    "postgresql": ("prepare_threshold", "autocommit"),
    "mysql": ("autocommit", "binary_prefix", "defer_connect", "max_allowed_packet"),
}

logger = logging.getLogger(__name__)


class UnstorableText(ValueError):
    """A text with a NUL, which PostgreSQL refuses, or with half of a surrogate pair, which no driver can encode."""


def engine_options(url: str | sa.URL, *, for_log: bool = False) -> dict[str, Any]:
    """Return the options for create_engine; options in the URL itself override them.

    :param for_log: whether the engine is the log's, whose records can wait: it has few connections, and gives up soon
        if it waits for a lock
    :raises ValueError: the log's database is in memory, or no driver would understand an option in the URL; the text
        says what was expected
    """
    url = sa.make_url(url)
    if for_log and in_memory(url):
        raise ValueError("The log would be lost in memory: give it a file or a server, sqlite:///log.db for example.")
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 10} if for_log else {}
    limits: dict[str, Any] = {"timeout": 0.1 if for_log else 5}
    if url.get_backend_name() != "sqlite":
        limits = {"connect_timeout": 3 if for_log else 10}
        # With these the pool notices before it hands out a connection that the server has closed it overnight.
        pool |= {"pool_pre_ping": True, "pool_recycle": 1800}
    if url.get_backend_name() == "postgresql":
        # Without this, psycopg returns bytes from a database in SQL_ASCII.
        limits["client_encoding"] = "utf8"
    limits = {name: value for name, value in limits.items() if name not in url.query}
    # The text of an error must not repeat the values of its statement: one may be a password's hash.
    return {"hide_parameters": True, "connect_args": limits | typed_options(url), **pool}


def typed_options(url: sa.URL) -> dict[str, int | None]:
    """Return as numbers the options of a URL that drivers want as numbers; SQLAlchemy alone would pass on texts.

    With a ``prepare_threshold`` of 0 or ``none`` psycopg prepares no statement. (To psycopg itself, 0 means "prepare
    each statement at once", which fails behind a pooler in transaction mode.)
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
    """Keep listeners from this engine that an application set on all engines (on ``Engine``, ``Pool``, ``Dialect``).

    Such a listener may use the request or ``g``, which the log's thread does not have. SQLAlchemy gives each class the
    listeners of its base classes, unless the class has the attribute that is set here.
    """
    parts: list[Any] = [engine, engine.pool, engine.dialect]
    for part in parts:
        earlier = part.__dict__.pop("dispatch", None)
        kind: Any = type(part)
        part.__class__ = without_inherited_listeners(kind)
        if earlier is not None:  # listeners that SQLAlchemy itself has set on this object
            part.dispatch._update(earlier, only_propagate=False)


@functools.cache
def without_inherited_listeners(kind: Any) -> type:
    own = {"_sa_propagate_class_events": False, "__module__": kind.__module__}
    if issubclass(kind, sa.Dialect):
        own["supports_statement_cache"] = kind.supports_statement_cache
    return type(kind.__name__, (kind,), own)


def close_connections(engine: sa.Engine) -> None:
    """Close the engine's connections. One that another thread uses is closed when that thread gives it back.

    Engine.dispose() alone would leave such a connection open until it is garbage collected.
    """
    pool = engine.pool
    engine.dispose()
    sa.event.listen(pool, "checkin", lambda _connection, record: record.invalidate())
    # This closes a connection that came back before the listener was there.
    pool.dispose()


def limit_lock_waits(engine: sa.Engine) -> None:
    """Let no statement of this engine wait longer than two seconds for the lock of another connection."""
    if engine.dialect.name == "postgresql":
        # The limit is set for each transaction: a pooler then gives the connection, with its settings, to others.
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
    """Raise UnstorableText on every database for a text that PostgreSQL cannot store."""

    @sa.event.listens_for(engine, "before_cursor_execute")
    def look(_connection: object, _cursor: object, _statement: str, given: Any, _context: object, _many: bool) -> None:
        # A list has an element for each row; parameters of any other type are those of a single row.
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
