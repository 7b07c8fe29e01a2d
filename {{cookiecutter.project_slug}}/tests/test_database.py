"""The column types and the engines."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy.exc
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Column, MetaData, Table, create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.config import database_url
from app.database import BigId, JSONText, LongText, Model, begin, db, exact_text, utcnow

from .conftest import SERVER, login

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
    """What an administrator, a firewall or the server's own time limit does overnight."""
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
