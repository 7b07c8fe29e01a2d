"""Two databases, the application's and the log's, each with an engine of its own."""

import functools
import json
import logging
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session, scoped_session
from sqlalchemy.types import TypeDecorator, TypeEngine

from .scratch import scratch_folder
from .sqlite import in_memory, set_up_sqlite

LOG = "log"
HOUR = timedelta(hours=1)
#: Options of a URL that are numbers, or 1 and 0 for yes and no, and that SQLAlchemy gives to the driver as text.
NUMBERS = {
    "postgresql": ("prepare_threshold", "autocommit"),
    "mysql": ("autocommit", "binary_prefix", "defer_connect", "max_allowed_packet"),
}

logger = logging.getLogger(__name__)


class Base(DeclarativeBase):
    # A database on MariaDB or MySQL may have been made for fewer characters. A model with __table_args__ of its own
    # repeats this.
    __table_args__: Any = {"mysql_charset": "utf8mb4"}  # noqa: RUF012  # not changed, only replaced
    # Constraints need names, or a migration cannot drop them.
    metadata = sa.MetaData(
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
    """Writes the same text as SQLAlchemy's own type, in a quarter of the time."""

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[datetime | None], str | None]:
        return lambda value: None if value is None else value.isoformat(" ", "microseconds")[:26]


class UTCDateTime(TypeDecorator[datetime]):
    """Aware in, aware out, always UTC, microseconds kept on every database."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        if dialect.name == "sqlite":
            return dialect.type_descriptor(SQLiteDateTime())  # type: ignore[no-untyped-call]  # DATETIME's own
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name in {"mysql", "mariadb"} else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


# SQLite numbers rows by itself only in a column whose type is spelled INTEGER.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# MySQL's TEXT stops at 64 KB.
LongText = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def exact_text(length: int) -> sa.String:
    """Return a type for text that is compared byte by byte. MySQL's default takes ``A`` and ``a`` for the same."""
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


class JSONText(TypeDecorator[Any]):
    """JSON in a text column. Some databases' own JSON types hold less, refuse values or reorder keys."""

    impl = LongText
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # a number of more than 64 bits, half of a surrogate pair
            return json.dumps(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


def init_app(app: Flask) -> None:
    """Make both engines from SQLALCHEMY_DATABASE_URI and SQLALCHEMY_BINDS["log"].

    Options that the configuration has in SQLALCHEMY_ENGINE_OPTIONS are added, and go first.
    """
    config = app.config
    url = config["SQLALCHEMY_DATABASE_URI"]
    given = config.get("SQLALCHEMY_ENGINE_OPTIONS", {})
    config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url) | given
    binds = {LOG: default_log_url(app) if in_memory(sa.make_url(url)) else url} | config.get("SQLALCHEMY_BINDS", {})
    config["SQLALCHEMY_BINDS"] = binds | {LOG: {"url": binds[LOG], **engine_options(binds[LOG], for_log=True)}}
    db.init_app(app)
    with app.app_context():
        keep_listeners_out(db.engines[LOG])
        for engine in db.engines.values():
            set_up_sqlite(engine)
            look_at_encoding(engine)
            # An application that is garbage collected closes its connections. At exit a forked child must not close
            # those of its parent.
            weakref.finalize(app, engine.dispose).atexit = False
        limit_lock_waits(db.engines[LOG])


def log_engine(app: Flask) -> sa.Engine:
    """Return the engine on the bind ``log``, or one of the log's own for an application that has not ``db``.

    The latter is for LOG_DATABASE_URL. Whoever first connects through it makes the log's tables if they are missing.

    :raises ValueError: LOG_DATABASE_URL is in memory
    """
    if app.extensions.get("sqlalchemy") is db:
        with app.app_context():
            engine: sa.Engine = db.engines[LOG]
            return engine
    url = app.config.setdefault("LOG_DATABASE_URL", default_log_url(app))
    engine = sa.create_engine(url, **engine_options(url, for_log=True))
    set_up_sqlite(engine)
    limit_lock_waits(engine)
    make_tables(engine, db.metadatas[LOG])
    weakref.finalize(app, engine.dispose).atexit = False
    return engine


def default_log_url(app: Flask) -> sa.URL:
    """Return where the log of a foreign application goes: into a file, which in a test ends with the process."""
    folder = scratch_folder() if app.testing else app.instance_path
    return sa.URL.create("sqlite", database=str(Path(folder, "log.db")))


def make_tables(engine: sa.Engine, metadata: sa.MetaData) -> None:
    """Let the first connection of this process make the tables that are missing."""
    done = False

    @sa.event.listens_for(engine, "engine_connect")
    def make(connection: sa.Connection) -> None:
        nonlocal done
        if not done:
            try:
                metadata.create_all(connection)
                connection.commit()
                done = True
            except sa.exc.SQLAlchemyError:
                # Another process makes them at this moment, or they cannot be made: what needs them will say so.
                connection.rollback()


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


def current_time(session: sa.Connection | Session) -> datetime:
    """Return the time by the server's clock, since a host's may be wrong; SQLite has no other than the host's."""
    dialect = session.dialect if isinstance(session, sa.Connection) else session.get_bind().dialect
    if dialect.name == "sqlite":
        return utcnow()
    postgresql = dialect.name == "postgresql"
    clock: Any = sa.func.now(type_=UTCDateTime) if postgresql else sa.func.utc_timestamp(6, type_=UTCDateTime)
    now: datetime = session.execute(sa.select(clock)).scalar_one()
    return now


def begin(session: Session | scoped_session[Any], mode: Literal["DEFERRED", "IMMEDIATE"]) -> None:
    """Begin a transaction on SQLite, where a SELECT begins none; does nothing on other databases.

    :param mode: with "DEFERRED" the queries that follow see one view of the database; with "IMMEDIATE" the session
        waits for the write lock now, and keeps it until it commits or rolls back
    :raises sqlalchemy.exc.OperationalError: a transaction is open already, or another connection keeps the lock
    """
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql(f"BEGIN {mode}")


def database_error(error: DBAPIError) -> str:
    """Return what is wrong with the application's database, in one sentence for the terminal."""
    # PostgreSQL's message has several lines; the first says what is wrong.
    said, *_ = str(error.orig).splitlines() or [""]
    return (
        f"The database did not answer as expected; is it running, and has `flask db upgrade` been run? It said: {said}"
    )
