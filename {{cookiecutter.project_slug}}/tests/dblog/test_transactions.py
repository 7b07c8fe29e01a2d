"""The bug this project exists for: a log call in the middle of a transaction must not touch that transaction."""

import logging
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import Engine, create_engine, event, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app import dblog
from app.accounts.models import User
from app.config import database_url
from app.database import db, utcnow
from app.dblog.models import LogEntry
from app.engines import engine_options
from app.sqlite import set_up_sqlite

logger = logging.getLogger("shop")


@pytest.fixture(params=["two databases", "one database"])
def shop(request: pytest.FixtureRequest, make_app: Callable[..., Flask], database_urls: dict[str, str]) -> Flask:
    if request.param == "one database":
        database_urls["LOG_DATABASE_URL"] = database_urls["DATABASE_URL"]
    app = make_app()
    with app.app_context():
        upgrade()
    return app


@pytest.fixture
def outsider(shop: Flask, database_urls: dict[str, str]) -> Iterator[Engine]:
    """Return an engine for connections of another program, which do not wait for locks."""
    url = database_url(database_urls["DATABASE_URL"])
    engine = create_engine(url, **engine_options(f"{url}?timeout=0" if url.startswith("sqlite") else url))
    set_up_sqlite(engine)
    yield engine
    engine.dispose()


def users(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return list(session.scalars(select(User.username)))


def messages() -> list[str]:
    return list(db.session.scalars(select(LogEntry.message).order_by(LogEntry.id)))


def new_user(name: str) -> User:
    return User(username=name, password_hash="a hash")


def stumble() -> None:
    """Do what application code does: half of its work, and then log an error."""
    db.session.add(new_user("half"))
    db.session.flush()
    try:
        raise RuntimeError("half-way")
    except RuntimeError:
        logger.exception("It stopped %s", "half-way")


def test_a_log_call_leaves_the_transaction_alone(shop: Flask, outsider: Engine) -> None:
    with shop.app_context():
        stumble()
        # The log call has returned, but the transaction has not ended: only it sees what it wrote.
        assert db.session.scalars(select(User.username)).all() == ["half"]
        assert db.session().in_transaction()
        assert users(outsider) == []
        db.session.rollback()
        assert users(outsider) == []
        assert dblog.flush(20)
        assert messages() == ["It stopped half-way"]
        assert "RuntimeError: half-way" in (db.session.scalars(select(LogEntry.trace)).one() or "")


class Naive(logging.Handler):
    """A handler as many tutorials show it."""

    def emit(self, record: logging.LogRecord) -> None:
        db.session.add(new_user(f"log row: {record.getMessage()}"))
        db.session.commit()


def test_the_handler_on_the_applications_session_fails_the_same_check(shop: Flask, outsider: Engine) -> None:
    naive = Naive()
    logger.addHandler(naive)
    try:
        with shop.app_context():
            stumble()
            db.session.rollback()
            assert "half" in users(outsider)
    finally:
        logger.removeHandler(naive)


def test_a_change_that_is_not_flushed_is_not_flushed_by_a_log_call(shop: Flask) -> None:
    with shop.app_context():
        half = new_user("half")
        db.session.add(half)
        statements: list[object] = []
        event.listen(db.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        logger.error("With %s and %s", half, [half], extra={"user": half, "deep": {"user": half}})
        assert half in db.session.new
        assert statements == []
        db.session.rollback()
        assert dblog.flush(20)
        assert len(messages()) == 1


def test_a_transaction_that_has_failed_stays_as_it_is(shop: Flask, outsider: Engine) -> None:
    with shop.app_context():
        db.session.add(new_user("first"))
        db.session.flush()
        db.session.add(new_user("first"))
        with pytest.raises(IntegrityError) as refusal:
            db.session.flush()
        logger.error("Refused", exc_info=refusal.value)
        db.session.rollback()
        assert users(outsider) == []
        assert dblog.flush(20)
        assert messages() == ["Refused"]


def test_while_somebody_else_holds_the_write_lock(shop: Flask, outsider: Engine) -> None:
    with shop.app_context(), outsider.connect() as other:
        with other.begin():
            columns = {"username": "x", "password_hash": "a hash", "is_admin": False, "created_at": utcnow()}
            other.execute(insert(User), columns)
            logger.error("Said while it was locked")
            assert other.in_transaction()
        assert dblog.flush(20)
        assert messages() == ["Said while it was locked"]


@pytest.mark.parametrize("has_thread", [True, False])
def test_a_connection_in_use_is_closed_when_it_comes_back(app: Flask, has_thread: bool) -> None:
    """A page may still read when the log is closed."""
    closed: list[object] = []
    with app.app_context():
        engine = db.engines["log"]
    event.listen(engine, "close", lambda driver, _record: closed.append(driver))
    if has_thread:
        assert dblog.flush(20)
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        app.extensions["dblog"].writer.close(20)
        assert connection.scalar(select(1)) == 1
        assert driver not in closed
    assert driver in closed
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
    assert driver not in closed, "the engine works on"


def test_while_every_connection_of_the_application_is_taken(make_app: Callable[..., Flask]) -> None:
    app = make_app(SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 1, "max_overflow": 0, "pool_timeout": 0})
    with app.app_context():
        upgrade()
        with db.engine.connect():
            logger.error("Said while the pool was empty")
            assert dblog.flush(20)
            with pytest.raises(PoolTimeout):
                db.engine.connect()
        assert messages() == ["Said while the pool was empty"]
