"""Two databases, the application's and the log's, each with an engine of its own."""

import enum
import json
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
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

from .engines import engine_options, keep_listeners_out, limit_lock_waits, look_at_encoding, refuse_unstorable_text
from .scratch import scratch_folder
from .sqlite import in_memory, set_up_sqlite

LOG = "log"
HOUR = timedelta(hours=1)


class Base(DeclarativeBase):
    # A database on MariaDB or MySQL may not be made for all characters, and SQLite gives a deleted row's id to a new
    # row. A model with __table_args__ of its own must repeat both settings.
    __table_args__: Any = {  # noqa: RUF012  # not changed, only replaced
        "mysql_charset": "utf8mb4",
        "sqlite_autoincrement": True,
    }
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


def day_of(moment: datetime) -> datetime:
    """Return the start of the day: the log counts its records by the day, UTC, too."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class SQLiteDateTime(sqlite.DATETIME):
    """This type writes the same text as SQLAlchemy's own, in a fraction of the time."""

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[datetime | None], str | None]:
        return lambda value: None if value is None else _without_zone(value).isoformat(" ", "microseconds")


def _without_zone(moment: datetime) -> datetime:
    # replace(tzinfo=None) takes six times as long.
    return datetime.combine(moment.date(), moment.time())


class UTCDateTime(TypeDecorator[datetime]):
    """This type takes and returns aware times, always in UTC, and keeps their microseconds on every database."""

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
        return _without_zone(value) if dialect.name in {"mysql", "mariadb"} else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


# SQLite numbers rows by itself only in a column whose type is spelled INTEGER.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# MySQL's TEXT stops at 64 KB.
LongText = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def exact_text(length: int) -> sa.String:
    """Return a type for text that is compared byte by byte. To MySQL's default type ``A`` and ``a`` are the same."""
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
        except TypeError:  # orjson takes no number of more than 64 bits and no half of a surrogate pair
            return json.dumps(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


# The types that `Mapped[…]` alone stands for: they keep every value on each database, and revisions can change them.
Base.registry.update_type_annotation_map(
    {
        datetime: UTCDateTime,
        # MySQL needs a length for this column; the others do not.
        str: sa.String().with_variant(mysql.VARCHAR(255), "mysql", "mariadb"),
        # Enums are stored by name, as text: no revision makes or drops the types of PostgreSQL's own enums.
        enum.Enum: sa.Enum(enum.Enum, native_enum=False, length=64),
        # MySQL's default has no digits after the point.
        Decimal: sa.Numeric(18, 4),
        # MySQL's FLOAT keeps seven digits.
        float: sa.Double,
        dict[str, Any]: JSONText,
        list[Any]: JSONText,
    }
)


def init_app(app: Flask) -> None:
    """Make both engines from SQLALCHEMY_DATABASE_URI and SQLALCHEMY_BINDS["log"].

    Options in the configuration's SQLALCHEMY_ENGINE_OPTIONS are added; they override the ones from here.
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
            # An application closes its connections when it is garbage collected, but not at the interpreter's exit: a
            # forked child must not close those of its parent.
            weakref.finalize(app, engine.dispose).atexit = False
        refuse_unstorable_text(db.engine)
        limit_lock_waits(db.engines[LOG])


def log_engine(app: Flask) -> sa.Engine:
    """Return the engine of the bind ``log``; an application that does not use ``db`` gets a new one for its log.

    The new engine is for LOG_DATABASE_URL. Its first connection makes the log's tables if they are missing.

    :raises ValueError: LOG_DATABASE_URL is in memory, or a file that is a link
    """
    if app.extensions.get("sqlalchemy") is db:
        with app.app_context():
            engine: sa.Engine = db.engines[LOG]
            return engine
    url = app.config.get("LOG_DATABASE_URL") or default_log_url(app)
    engine = sa.create_engine(url, **engine_options(url, for_log=True))
    set_up_sqlite(engine)
    limit_lock_waits(engine)
    make_tables(engine, db.metadatas[LOG])
    weakref.finalize(app, engine.dispose).atexit = False
    return engine


def default_log_url(app: Flask) -> sa.URL:
    """Return the file for the log of an application without LOG_DATABASE_URL; in a test it ends with the process."""
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
                # Another process makes them at this moment, or they cannot be made: the next query will then say so.
                connection.rollback()


@sa.event.listens_for(Session, "after_begin")
def keep_foreign_keys(_session: Session, _transaction: object, connection: sa.Connection) -> None:
    """Turn on foreign keys on SQLite in every Session over the models' tables, whoever made its engine.

    Connections to other tables stay as they are, and so do those with ``foreign_keys`` in their ``info``.

    :raises sqlalchemy.exc.InvalidRequestError: foreign keys are off, and an open transaction keeps them off
    """
    if connection.dialect.name != "sqlite" or "foreign_keys" in connection.info:
        return
    cursor = connection.connection.cursor()
    if not foreign_keys_hold(cursor) and has_tables_of_models(cursor):
        cursor.execute("PRAGMA foreign_keys=ON")
        if not foreign_keys_hold(cursor):
            raise sa.exc.InvalidRequestError(
                "Foreign keys are off in this SQLite connection, and cannot be turned on while its transaction is open:"
                " commit before you give it to a Session, or call app.sqlite.set_up_sqlite with its engine."
            )
    if foreign_keys_hold(cursor):
        connection.info["foreign_keys"] = "on"
    cursor.close()


def foreign_keys_hold(cursor: Any) -> bool:
    return bool(cursor.execute("PRAGMA foreign_keys").fetchone()[0])


def has_tables_of_models(cursor: Any) -> bool:
    """Return whether a SQLite database has a table of these models, even one that is some revisions behind or ahead."""
    found: dict[str, set[str]] = {}
    query = "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'"
    for table, column in cursor.execute(query).fetchall():
        found.setdefault(table, set()).add(column)
    for metadata in db.metadatas.values():
        if any(table.foreign_keys for table in metadata.tables.values()):
            for table in metadata.tables.values():
                theirs, ours = found.get(table.name, set()), {column.name for column in table.columns}
                if theirs and (theirs <= ours or ours <= theirs):
                    return True
    return False


def current_time(session: sa.Connection | Session) -> datetime:
    """Return the time by the database server's clock, since a host's may be wrong; SQLite has only the host's."""
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
