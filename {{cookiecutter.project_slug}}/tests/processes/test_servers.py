"""The application works on servers with an encoding of few characters, and behind a pooler."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask_migrate import check, upgrade
from sqlalchemy import inspect, make_url, select, text
from sqlalchemy.exc import DataError, DBAPIError

from app import dblog
from app.accounts.models import User
from app.config import database_url
from app.database import db
from app.dblog.errors import explain_outage, is_transient
from app.dblog.models import LogEntry
from app.engines import warn_of_encoding

from ..conftest import SERVER, on_server

TEXT = "Grüße 😀"


def store_everywhere(app: Flask, name: str) -> None:
    """Store a user, and with it an entry of the trail, and a log record."""
    with app.app_context():
        db.session.add(User(username=name, password_hash="a hash"))
        db.session.commit()
        assert db.session.scalars(select(User.username)).all() == [name.lower()]
        app.logger.error("%s", name)
        assert dblog.flush(30)
        with db.engines["log"].connect() as connection:
            assert name in connection.scalars(select(LogEntry.message)).all()


@pytest.mark.skipif(not SERVER.startswith(("mysql", "mariadb")), reason="about MariaDB and MySQL only")
@pytest.mark.parametrize("charset", ["latin1", "utf8mb3"])
def test_tables_say_their_character_set(
    make_app: Callable[..., Flask], database_urls: dict[str, str], charset: str
) -> None:
    for url in map(make_url, database_urls.values()):
        on_server(url, f"ALTER DATABASE {url.database} CHARACTER SET {charset}")
    app = make_app()
    with app.app_context():
        upgrade()
        check()
        for bind, engine in db.engines.items():
            tables = inspect(engine)
            for name in db.metadatas[bind].tables:
                assert tables.get_table_options(name)["mysql_default charset"] == "utf8mb4", name
    store_everywhere(app, TEXT)


@pytest.fixture
def encoded() -> Iterator[Callable[[str], str]]:
    """Return a function that makes a PostgreSQL database of an encoding and returns its URL."""
    server = make_url(database_url(SERVER))
    names: list[str] = []

    def make(encoding: str) -> str:
        names.append(f"scratch_{uuid.uuid4().hex[:12]}")
        locale = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        on_server(server, f"CREATE DATABASE {names[-1]} {locale}")
        return server.set(database=names[-1]).render_as_string(hide_password=False)

    yield make
    for name in names:
        on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.skipif(not SERVER.startswith("postgres"), reason="about PostgreSQL only")
@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_an_encoding_is_said_once(
    encoded: Callable[[str], str], make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture, encoding: str
) -> None:
    url = encoded(encoding)
    warn_of_encoding.cache_clear()
    app = make_app(DATABASE_URL=url, LOG_DATABASE_URL=url)
    with app.app_context():
        upgrade()
    store_everywhere(app, "Grüße")
    with app.app_context():
        db.session.add(User(username=TEXT, password_hash="a hash"))
        if encoding == "LATIN1":
            with pytest.raises(DataError):
                db.session.flush()
            db.session.rollback()
        else:
            db.session.commit()
        for engine in db.engines.values():
            engine.dispose()
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
    said = [record.getMessage() for record in caplog.records if record.name == "app.engines"]
    assert len(said) == 1, said
    assert f"is in {encoding}, not in UTF8" in said[0]
    assert "createdb --encoding=UTF8" in said[0]


@pytest.mark.skipif(not SERVER.startswith("postgres"), reason="about PostgreSQL only")
def test_prepared_statements_of_another_connection(app: Flask) -> None:
    """The error that a pooler in transaction mode causes says what to do, and no record is refused because of it."""
    with app.app_context():
        engine = db.engines["log"]
    with engine.connect() as connection:
        connection.exec_driver_sql("PREPARE own AS SELECT 1")
        for statement in ("PREPARE own AS SELECT 1", "EXECUTE another"):
            with pytest.raises(DBAPIError) as raised:
                connection.exec_driver_sql(statement)
            assert is_transient(raised.value)
            assert "prepare_threshold=0" in explain_outage(engine, raised.value)
            connection.rollback()


@pytest.mark.skipif(not SERVER.startswith("postgres"), reason="about PostgreSQL only")
def test_the_limit_of_lock_waits_ends_with_the_transaction(app: Flask) -> None:
    """In transaction mode another client uses the connection next."""
    with app.app_context(), db.engines["log"].connect() as connection:
        assert connection.scalar(text("SHOW lock_timeout")) == "2s"
        connection.rollback()
        driver: Any = connection.connection.dbapi_connection
        assert driver.execute("SHOW lock_timeout").fetchone() == ("0",)
