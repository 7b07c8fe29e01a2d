"""SQLite has the right settings, and only some statements begin a transaction or take the write lock."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import Connection, Engine, Executable, create_engine, delete, func, insert, select, text, union, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, joinedload, mapped_column

from app.accounts.models import User
from app.database import begin, db, exact_text
from app.dblog.models import LogEntry
from app.engines import engine_options
from app.inserts import insert_rows
from app.sqlite import set_up_sqlite

from .conftest import SERVER

pytestmark = pytest.mark.skipif(not SERVER.startswith("sqlite"), reason="about SQLite only")


class Base(DeclarativeBase):
    """A base of these tests' own: in the application's, `flask db check` would find this table."""


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(exact_text(20), default="new")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    """Return an engine whose connections do not wait for locks, for a database with one thing."""
    url = f"sqlite:///{path}?timeout=0"
    engine = create_engine(url, **engine_options(url))
    set_up_sqlite(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Thing(id=1, name="first"))
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def names(engine: Engine) -> list[str]:
    """Return the names that other connections see."""
    with Session(engine) as session:
        return list(session.scalars(select(Thing.name).order_by(Thing.id)))


def is_locked(path: Path) -> bool:
    """Return whether other connections are kept from writing now."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


def slip_in(path: Path) -> None:
    """Commit a change over another connection."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("UPDATE things SET name = 'of another'")


# Settings


def pragma(connection: Connection, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_settings_of_every_connection(app: Flask) -> None:
    with app.app_context():
        for bind, wait in ((None, 5000), ("log", 100)):
            with db.engines[bind].connect() as connection:
                assert pragma(connection, "journal_mode") == "wal"
                assert pragma(connection, "synchronous") == 1
                assert pragma(connection, "foreign_keys") == 1
                assert pragma(connection, "busy_timeout") == wait


def test_the_urls_timeout_is_honoured(tmp_path: Path, make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/x.db?timeout=20")
    with app.app_context(), db.engine.connect() as connection:
        assert pragma(connection, "busy_timeout") == 20_000


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_locked_database_can_be_connected_to(lock: str, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE t (x)")
    other.execute(f"BEGIN {lock}")
    url = f"sqlite:///{path}?timeout=0"
    engine = create_engine(url, **engine_options(url))
    set_up_sqlite(engine)
    engine.connect().close()
    other.execute("ROLLBACK")
    other.close()
    engine.dispose()


# What begins no transaction

READ_TEXTS = [
    "SELECT id FROM things",
    "select id from things",
    "\n\t SELECT id FROM things",
    "-- INSERT\nSELECT id FROM things",
    "-- one -- two\n/* three\n -- four */ /**/ SELECT id FROM things",
    "VALUES (1), (2)",
    "WITH few AS (SELECT id FROM things) SELECT id FROM few",
    "/* few */ WITH RECURSIVE few(n) AS (VALUES (1) UNION SELECT n + 1 FROM few WHERE n < 3) SELECT n FROM few",
    "EXPLAIN QUERY PLAN DELETE FROM things",
    "PRAGMA foreign_keys",
    "ATTACH ':memory:' AS other",
    "VACUUM",
]
READ_QUERIES: list[Executable] = [
    select(Thing),
    select(func.max(Thing.id)),
    select(Thing).join(aliased(Thing), text("true")),
    union(select(Thing.id), select(Thing.id + 1)),
    select(select(Thing.name.label("delete")).cte()),
    select(func.replace(Thing.name, "a", "b").label("update")).cte().select(),
    select(Thing).from_statement(text("SELECT * FROM things")),
]


@pytest.mark.parametrize("statement", READ_TEXTS)
def test_text_that_reads_holds_no_lock(session: Session, path: Path, statement: str) -> None:
    session.execute(text(statement))
    assert not is_locked(path)
    session.rollback()
    session.connection().exec_driver_sql(statement.replace("other", "another"))
    assert not is_locked(path)


@pytest.mark.parametrize("query", READ_QUERIES, ids=str)
def test_a_query_holds_no_lock(session: Session, path: Path, query: Executable) -> None:
    session.execute(query)
    assert not is_locked(path)


def test_objects_are_loaded_without_a_lock(session: Session, path: Path) -> None:
    thing = session.get_one(Thing, 1)
    session.refresh(thing)
    session.query(Thing).all()
    session.commit()
    assert thing.name == "first"
    assert not is_locked(path)


def test_each_query_sees_what_is_committed(session: Session, path: Path) -> None:
    assert session.scalar(select(Thing.name)) == "first"
    slip_in(path)
    assert session.scalar(select(Thing.name)) == "of another"
    session.execute(update(Thing).values(name="last"))
    session.commit()


# What begins a transaction, with the lock

WRITE_TEXTS = [
    "INSERT INTO things (name) VALUES ('x')",
    "/* SELECT */ insert into things (name) values ('x')",
    "-- SELECT\n-- VALUES\n  INSERT INTO things (name) SELECT 'x'",
    "--\tSELECT -- /*\nREPLACE INTO things (id, name) VALUES (1, 'x')",
    "WITH few(name) AS (VALUES ('x')) INSERT INTO things (name) SELECT name FROM few",
    "with few(id) as (select 1)update things set name = 'x' where id in (select id from few)",
    "/* few */ WITH few(id) AS (SELECT 1) DELETE FROM things WHERE id IN (SELECT id FROM few)",
    "WITH few(name) AS (VALUES ('x')) REPLACE INTO things (name) SELECT name FROM few",
    "UPDATE things SET name = 'x' RETURNING id",
    f"{'-' * 80}\n;INSERT INTO things (name) VALUES ('x')",
    "CREATE TABLE more (id INTEGER)",
    "DROP TABLE things",
    "ANALYZE",
]
WRITES: list[Executable] = [
    insert(Thing).values(name="x"),
    insert(Thing).values(name="x").returning(Thing.id),
    insert(Thing).from_select(["name"], select(Thing.name)),
    update(Thing).values(name="x"),
    delete(Thing),
    select(Thing).from_statement(text("UPDATE things SET name = 'x' RETURNING *")),
    select(Thing).from_statement(insert(Thing).values(name="x").returning(Thing)),
    text("DELETE FROM things RETURNING id").columns(Thing.id),
]


@pytest.mark.parametrize("statement", WRITE_TEXTS)
def test_text_that_writes_is_gone_after_the_rollback(
    session: Session, engine: Engine, path: Path, statement: str
) -> None:
    for raw in (False, True):
        if raw:
            session.connection().exec_driver_sql(statement)
        else:
            session.execute(text(statement))
        assert is_locked(path)
        session.rollback()
        assert not is_locked(path)
        assert names(engine) == ["first"]


@pytest.mark.parametrize("statement", WRITES, ids=str)
def test_a_write_is_gone_after_the_rollback(
    session: Session, engine: Engine, path: Path, statement: Executable
) -> None:
    session.execute(statement)
    assert is_locked(path)
    session.rollback()
    assert names(engine) == ["first"]


def test_rows_of_the_log_and_the_trail_are_written_with_the_lock(engine: Engine, path: Path) -> None:
    table = Base.metadata.tables["things"]
    with engine.connect() as connection:
        insert_rows(connection, table, [{"name": "x"}, {"name": "y"}])
        assert is_locked(path)
    assert names(engine) == ["first"]
    with engine.begin() as connection:
        insert_rows(connection, table, [{"name": "x"}])
    assert names(engine) == ["first", "x"]


def test_a_savepoint_begins_with_the_lock(session: Session, engine: Engine, path: Path) -> None:
    with session.begin_nested():
        session.execute(select(Thing))
        assert is_locked(path)
        session.add(Thing())
    session.rollback()
    assert names(engine) == ["first"]


LOCKING = select(Thing).with_for_update()
READS_TO_WRITE: list[Callable[[Session], Any]] = [
    lambda session: session.execute(LOCKING),
    lambda session: session.execute(select(Thing.name).with_for_update(read=True)),
    lambda session: session.scalars(LOCKING.options(joinedload("*")).limit(1)),
    lambda session: session.execute(select(LOCKING.subquery())),
    lambda session: session.execute(select(LOCKING.cte())),
    lambda session: session.execute(select(aliased(Thing, LOCKING.subquery()))),
    lambda session: session.execute(select(Thing.id).where(Thing.id.in_(select(Thing.id).with_for_update()))),
    lambda session: session.query(Thing).with_for_update().all(),
    lambda session: session.get(Thing, 1, with_for_update=True),
    lambda session: session.refresh(session.get_one(Thing, 1), with_for_update=True),
]


@pytest.mark.parametrize("number", range(len(READS_TO_WRITE)))
def test_a_query_for_update_begins_with_the_lock(session: Session, path: Path, number: int) -> None:
    # The statement runs a second time from SQLAlchemy's cache, and after the same statement without the lock.
    for _ in range(2):
        session.execute(select(Thing))
        assert not is_locked(path)
        READS_TO_WRITE[number](session)
        assert is_locked(path)
        session.rollback()


def test_a_refresh_for_update_reads_anew_what_was_loaded_before(session: Session, path: Path) -> None:
    thing = session.get_one(Thing, 1)
    slip_in(path)
    session.get(Thing, 1, with_for_update=True)
    assert thing.name == "first"
    session.refresh(thing, with_for_update=True)
    assert thing.name == "of another"
    assert is_locked(path)


def test_who_waits_in_vain_hears_of_the_lock(session: Session, path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert session.scalar(select(Thing.name)) == "first"
        with pytest.raises(OperationalError, match="database is locked"):
            session.execute(update(Thing).values(name="x"))
        session.rollback()
    session.execute(update(Thing).values(name="x"))
    session.commit()


# begin()


def test_begun_deferred_all_queries_see_one_view(session: Session, path: Path) -> None:
    begin(session, "DEFERRED")
    assert session.scalar(select(Thing.name)) == "first"
    slip_in(path)
    assert session.scalar(select(Thing.name)) == "first"
    session.rollback()
    assert session.scalar(select(Thing.name)) == "of another"


def test_begun_immediate_the_lock_is_there_at_once(session: Session, path: Path) -> None:
    begin(session, "IMMEDIATE")
    assert is_locked(path)
    session.execute(update(Thing).values(name="x"))
    session.commit()
    assert not is_locked(path)


def test_a_transaction_that_is_open_cannot_be_begun(session: Session) -> None:
    session.add(Thing())
    session.flush()
    with pytest.raises(OperationalError, match="within a transaction"):
        begin(session, "DEFERRED")


def test_it_takes_the_applications_session(app: Flask) -> None:
    with app.app_context():
        begin(db.session, "IMMEDIATE")
        assert is_locked(Path(db.engine.url.database or ""))


# Without transactions, in memory, with the log in the same file


def test_autocommit_begins_nothing(engine: Engine, path: Path) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(insert(Thing).values(name="x"))
        assert not is_locked(path)
        connection.execute(text("VACUUM"))
    assert names(engine) == ["first", "x"]
    # The next user of the pooled connection can begin a transaction again.
    with engine.connect() as connection:
        connection.execute(insert(Thing).values(name="y"))
        with connection.begin_nested():
            connection.execute(insert(Thing).values(name="z"))
    assert names(engine) == ["first", "x"]


def test_a_database_in_memory(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL="sqlite://", LOG_DATABASE_URL="")
    with app.app_context():
        upgrade()
        db.session.add(User(username="ada", password_hash="a hash"))
        db.session.flush()
        # All share one connection: whoever uses it meanwhile joins its transaction.
        upgrade()
        with Session(db.engine) as other:
            assert other.scalars(select(User.username)).all() == ["ada"]
            other.add(User(username="eve", password_hash="a hash"))
            other.commit()
    with app.app_context():
        assert db.session.scalars(select(User.username).order_by(User.id)).all() == ["ada", "eve"]


# The limits that README states


def test_a_write_while_a_result_is_partly_fetched_may_be_refused(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        connection.execute(insert(Thing).values(name="x"))
        connection.commit()
        rows = connection.execute(select(Thing.name))
        assert rows.fetchone()
        slip_in(path)
        with pytest.raises(OperationalError) as refused:
            connection.execute(update(Thing).values(name="y"))
        assert getattr(refused.value.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY_SNAPSHOT
        rows.close()
        connection.execute(update(Thing).values(name="y"))
        connection.commit()
    assert names(engine) == ["y", "y"]


def test_two_binds_of_one_file(make_app: Callable[..., Flask], database_urls: dict[str, str]) -> None:
    app = make_app(LOG_DATABASE_URL=database_urls["DATABASE_URL"])
    with app.app_context():
        upgrade()
        db.session.execute(update(User).values(email=None))
        # Readers are served; a second writer would wait for the first, which belongs to the same thread.
        assert db.session.scalar(select(func.count()).select_from(LogEntry)) == 0
        with pytest.raises(OperationalError, match="database is locked"):
            db.session.execute(delete(LogEntry))
