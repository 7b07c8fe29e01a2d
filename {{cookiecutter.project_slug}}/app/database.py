"""Two databases, the application's and the log's, each with an engine of its own."""

import contextlib
import json
import sqlite3
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from flask import Flask, has_request_context, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Text,
    event,
    make_url,
)
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

LOG = "log"
READING_METHODS = {"GET", "HEAD", "OPTIONS"}
# Execution options of a connection that will only read, where only_reads() cannot know.
READING = {"sqlite_begin": "DEFERRED"}
ROWS_A_STATEMENT = 100

Converter = Callable[[Any], Any]


class Base(DeclarativeBase):
    # Constraints need names, or a migration cannot drop them.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


def utcnow() -> datetime:
    return datetime.now(UTC)


def hour_of(moment: datetime) -> datetime:
    """Return the start of the hour: the log counts its records by the hour, UTC."""
    return moment.replace(minute=0, second=0, microsecond=0)


class SQLiteDateTime(sqlite.DATETIME):
    """The same text as SQLAlchemy's own, made in a quarter of the time."""

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], str | None]:
        return lambda value: None if value is None else value.isoformat(" ", "microseconds")[:26]


class UTCDateTime(TypeDecorator[datetime]):
    """Aware in, aware out, always UTC, microseconds kept on every database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        if dialect.name == "sqlite":
            return dialect.type_descriptor(SQLiteDateTime())  # type: ignore[no-untyped-call]  # DATETIME's own
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name in {"mysql", "mariadb"} else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


# SQLite numbers rows by itself only in a column that is spelled INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")
# MySQL's TEXT stops at 64 KB.
LongText = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def exact_text(length: int) -> String:
    """Text that is compared byte by byte on every database: MySQL's default would take ``A`` and ``a`` for one."""
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


class JSONText(TypeDecorator[Any]):
    """JSON in a text column, which holds more than some databases' JSON types, and refuses and reorders nothing."""

    impl = LongText
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # a number of more than 64 bits, half of a surrogate pair
            return json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def init_app(app: Flask) -> None:
    """Make both engines from SQLALCHEMY_DATABASE_URI and SQLALCHEMY_BINDS["log"].

    Other options that the configuration has for them stay in force.
    """
    config = app.config
    url = config["SQLALCHEMY_DATABASE_URI"]
    given = config.get("SQLALCHEMY_ENGINE_OPTIONS", {})
    config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url) | given
    binds = {LOG: url} | config.get("SQLALCHEMY_BINDS", {})
    config["SQLALCHEMY_BINDS"] = binds | {LOG: log_engine_options(binds[LOG])}
    db.init_app(app)
    with app.app_context():
        for engine in db.engines.values():
            set_up_sqlite(engine)
            # An application that is dropped closes its connections; at exit a fork must not.
            weakref.finalize(app, engine.dispose).atexit = False
        limit_lock_waits(db.engines[LOG])


def engine_options(url: str | URL) -> dict[str, Any]:
    """What create_engine takes for the application's database; what the URL itself says goes first."""
    url = make_url(url)
    if url.get_backend_name() == "sqlite":
        limits, pool = {"timeout": 5}, {}
    else:
        # A connection that the server closed overnight is noticed before it is used.
        limits, pool = {"connect_timeout": 10}, {"pool_pre_ping": True, "pool_recycle": 1800}
    limits = {name: seconds for name, seconds in limits.items() if name not in url.query}
    # Errors must not repeat what was to be stored: it may be a password's hash.
    return {"hide_parameters": True, "connect_args": limits, **pool}


def log_engine_options(url: str | URL) -> dict[str, Any]:
    """The same for the log's: few connections and short waits, since its records can wait."""
    short = {"timeout": 0.1, "connect_timeout": 3}
    options = engine_options(url)
    limits = {name: short[name] for name in options["connect_args"]}
    pool = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 10}
    return options | {"url": url, "connect_args": limits, **pool}


def limit_lock_waits(engine: Engine) -> None:
    """Let no statement of this engine wait for other people's locks longer than two seconds."""
    statement = {
        "postgresql": "SET lock_timeout = '2s'",
        "mysql": "SET SESSION innodb_lock_wait_timeout = 2, SESSION lock_wait_timeout = 2",
    }.get(engine.dialect.name.replace("mariadb", "mysql"))
    if statement:

        @event.listens_for(engine, "connect")
        def set_limit(connection: Any, _record: object) -> None:
            connection.cursor().execute(statement)
            connection.commit()


def set_up_sqlite(engine: Engine) -> None:
    """Make SQLite safe for many users at once; other databases are."""
    if engine.dialect.name != "sqlite":
        return
    path = engine.url.database or ":memory:"
    if not path.startswith((":", "file:")):
        with contextlib.suppress(OSError):  # connecting says what is wrong
            Path(path).parent.mkdir(parents=True, exist_ok=True)
    event.listen(engine, "connect", set_pragmas)
    event.listen(engine, "begin", begin)


def set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions begin below: with the driver's own way a savepoint outlives its rollback.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    # These wait for other people's locks, and fail on a read-only file. The mode stays with the
    # file, so that it is enough if one connection succeeds.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA journal_mode=WAL")


def begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    in_transaction = connection.connection.dbapi_connection.in_transaction  # type: ignore[union-attr]  # sqlite3's
    if in_transaction:
        return  # of an in-memory database there is one connection, and one transaction, for all
    mode = options.get("sqlite_begin") or ("DEFERRED" if only_reads() else "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")


def only_reads() -> bool:
    """Whether the transaction that begins now will hardly write.

    One that reads first and writes later fails at once if somebody else wrote in between, so
    whatever may write takes its turn at the beginning. A shell left open must not keep it.
    """
    if has_request_context():
        return request.method in READING_METHODS
    command = click.get_current_context(silent=True)
    return command is not None and command.info_name == "shell"


def database_error(error: DBAPIError) -> str:
    """What is wrong with the application's database, in one sentence for whoever typed a command."""
    # PostgreSQL's own words go on for several lines; the first says it.
    said, *_ = str(error.orig).splitlines() or [""]
    return (
        f"The database did not answer as expected; is it running, and has `flask db upgrade` been run? It said: {said}"
    )
