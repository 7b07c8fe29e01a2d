"""The column types and the engines."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy.exc
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError, InvalidRequestError, StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from app.accounts.models import User
from app.config import database_url
from app.database import BigId, JSONText, LongText, Model, begin, db, exact_text, utcnow

from .conftest import SERVER, login

on_sqlite = pytest.mark.skipif(not SERVER.startswith("sqlite"), reason="elsewhere foreign keys always hold")
on_server = pytest.mark.skipif(SERVER.startswith("sqlite"), reason="about servers only")


def new_user(name: str, **columns: object) -> User:
    return User(username=name, password_hash="a hash", **columns)


def test_times_are_aware_and_exact(app: Flask) -> None:
    moment = datetime(2024, 2, 29, 23, 59, 59, 123457, timezone(timedelta(hours=-7)))
    with app.app_context():
        db.session.add(new_user("ada", created_at=moment))
        db.session.commit()
        db.session.remove()
        found = db.session.scalars(select(User).where(User.created_at == moment)).one()
        assert found.created_at == moment
        assert found.created_at.tzinfo is UTC
        assert db.session.scalar(select(User).where(User.created_at > moment)) is None


def test_a_time_without_a_zone_is_refused(app: Flask) -> None:
    with app.app_context():
        db.session.add(new_user("ada", created_at=datetime(2024, 1, 1)))  # noqa: DTZ001  # the point
        with pytest.raises(StatementError, match="has no time zone"):
            db.session.flush()


def test_keys_long_texts_and_json_are_alike_everywhere(scratch: Callable[[], str]) -> None:
    things = Table(
        "things",
        MetaData(),
        Column("id", BigId, primary_key=True),
        Column("name", exact_text(20), unique=True),
        Column("story", LongText),
        Column("data", JSONText),
    )
    data = {"b": [1.5, None, True], "a": "ä", "more than 64 bits": 2**70, "half of a pair": "\ud800"}
    engine = create_engine(database_url(scratch()))
    with engine.begin() as connection:
        things.create(connection)
        connection.execute(insert(things), {"name": "a", "story": "x" * 70_000, "data": data})
        connection.execute(insert(things), {"name": "A"})
        rows = connection.execute(select(things.c.name, things.c.story, things.c.data).order_by(things.c.id)).all()
        assert rows == [("a", "x" * 70_000, data), ("A", None, None)]
        assert connection.scalars(select(things.c.id).where(things.c.name == "A")).all() == [2]
    engine.dispose()


def test_errors_do_not_repeat_what_was_to_be_stored(app: Flask) -> None:
    with app.app_context():
        db.session.add_all([new_user("ada"), new_user("ada")])
        with pytest.raises(IntegrityError) as raised:
            db.session.flush()
    assert "a hash" not in str(raised.value)


def test_a_released_savepoint_dies_with_its_transaction(app: Flask) -> None:
    with app.app_context():
        db.session.add(new_user("before"))
        db.session.flush()
        with db.session.begin_nested():
            db.session.add(new_user("within"))
        db.session.rollback()
        assert db.session.scalars(select(User)).all() == []
        with db.session.begin_nested() as savepoint:
            db.session.add(new_user("undone"))
            db.session.flush()
            savepoint.rollback()
        db.session.add(new_user("kept"))
        db.session.commit()
        assert db.session.scalars(select(User.username)).all() == ["kept"]


def test_models_work_without_flask(database_urls: dict[str, str]) -> None:
    engine = create_engine(database_url(database_urls["DATABASE_URL"]))
    Model.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(new_user("ada"))
        session.commit()
        assert session.scalars(select(User)).one().created_at <= utcnow()
    engine.dispose()


def test_every_constraint_has_a_name(app: Flask) -> None:
    for metadata in db.metadatas.values():
        for table in metadata.tables.values():
            assert all(each.name for each in table.constraints | table.indexes)


def test_the_log_takes_two_connections_at_most(app: Flask) -> None:
    with app.app_context():
        engine = db.engines["log"]
        assert engine is not db.engine
    with ExitStack() as opened:
        for _ in range(2):
            opened.enter_context(engine.connect())
        engine.pool._timeout = 0.01  # type: ignore[attr-defined]  # not the usual five seconds
        with pytest.raises(sqlalchemy.exc.TimeoutError):
            engine.connect()


@on_server
def test_begin_does_nothing_on_a_server(app: Flask) -> None:
    with app.app_context():
        begin(db.session, "IMMEDIATE")
        begin(db.session, "DEFERRED")
        assert not db.session().in_transaction()


@on_server
def test_the_log_never_waits_long_for_a_lock(app: Flask) -> None:
    with app.app_context(), db.engines["log"].connect() as connection:
        postgresql = connection.dialect.name == "postgresql"
        limit = "SHOW lock_timeout" if postgresql else "SELECT @@innodb_lock_wait_timeout"
        assert connection.scalar(text(limit)) == ("2s" if postgresql else 2)
        connection.rollback()
        assert connection.scalar(text(limit)) == ("2s" if postgresql else 2)


@on_server
def test_connections_that_the_server_ended_are_replaced(
    app: Flask, client: FlaskClient, user: User, database_urls: dict[str, str]
) -> None:
    login(client, user)
    assert client.get("/").status_code == 200
    for url in database_urls.values():
        end_connections(url)
    assert user.username in client.get("/").text
    assert client.get("/readyz").status_code == 200


def end_connections(url: str) -> None:
    """Close all connections of a database, as an administrator, a firewall or the server's own time limit may."""
    engine = create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            find = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            find, end = f"{find} AND pid <> pg_backend_pid()", "SELECT pg_terminate_backend({})"
        else:
            find = "SELECT id FROM information_schema.processlist WHERE db = DATABASE()"
            find, end = f"{find} AND id <> CONNECTION_ID()", "KILL {}"
        found = connection.scalars(text(find)).all()
        assert found
        for connection_id in found:
            connection.execute(text(end.format(connection_id)))
    engine.dispose()


def foreign_keys(session: Session) -> int:
    connection = session.connection(bind_arguments={"mapper": User})
    return int(connection.exec_driver_sql("PRAGMA foreign_keys").scalar() or 0)


@on_sqlite
def test_foreign_keys_hold_in_every_session(app: Flask, user: User, database_urls: dict[str, str]) -> None:
    url = database_url(database_urls["DATABASE_URL"])
    with app.app_context():
        db.session.execute(text("CREATE TABLE children (user_id INTEGER REFERENCES users ON DELETE CASCADE)"))
        db.session.commit()
    engine = create_engine(url)
    ways: list[Callable[[], Session]] = [
        lambda: Session(engine),
        sessionmaker(engine),
        scoped_session(sessionmaker(engine)),
        lambda: Session(opened.enter_context(engine.connect())),
        lambda: Session(binds={User: engine}),
    ]
    for make in ways:
        engine.dispose()
        with ExitStack() as opened, make() as session:
            session.scalars(select(User)).all()
            assert foreign_keys(session) == 1
    engine.dispose()
    with Session(engine) as session, pytest.raises(IntegrityError):
        session.execute(text("INSERT INTO children VALUES (99)"))  # the session's first statement, and no ORM statement
    engine.dispose()
    with Session(engine) as session:
        session.execute(text("INSERT INTO children VALUES (:id)"), {"id": user.id})
        session.delete(session.get_one(User, user.id))
        session.commit()
        assert session.scalar(text("SELECT count(*) FROM children")) == 0
    engine.dispose()


@on_sqlite
def test_foreign_keys_of_others_stay_as_they_are(tmp_path: Path) -> None:
    class Theirs(DeclarativeBase):
        pass

    class Account(Theirs):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        iban: Mapped[str]

    engine = create_engine(f"sqlite:///{tmp_path}/theirs.db")
    Theirs.metadata.create_all(engine)
    with Session(engine) as session:
        session.scalars(select(Account)).all()
        assert foreign_keys(session) == 0
    engine.dispose()


@on_sqlite
def test_a_transaction_that_keeps_foreign_keys_off_is_one_sentence(app: Flask, database_urls: dict[str, str]) -> None:
    engine = create_engine(database_url(database_urls["DATABASE_URL"]))
    with engine.connect() as connection:
        connection.execute(text("UPDATE users SET email = NULL"))
        with Session(connection) as session, pytest.raises(InvalidRequestError, match="cannot be turned on"):
            session.scalars(select(User)).all()
        connection.commit()
        with Session(connection) as session:
            session.scalars(select(User)).all()
            assert foreign_keys(session) == 1
    engine.dispose()


def test_an_id_is_never_used_again(scratch: Callable[[], str]) -> None:
    things = Table("things", MetaData(), Column("id", Integer, primary_key=True), **Model.__table_args__)
    engine = create_engine(database_url(scratch()))
    with engine.begin() as connection:
        things.create(connection)
        connection.execute(insert(things))
        connection.execute(things.delete())
        assert connection.execute(insert(things)).inserted_primary_key == (2,)
    engine.dispose()
