"""create_app can be called again and again, and the application that it makes has all its parts."""

import gc
import logging
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, event

from app import create_app
from app.database import LOG, db

from .conftest import Command


def open_things() -> tuple[int, int, int]:
    """Return how many handlers, threads and files are open."""
    gc.collect()
    gc.collect()  # collects the engines of the first round
    files = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc") else 0
    return len(logging.getLogger().handlers), threading.active_count(), files


def test_a_hundred_applications_leave_nothing_behind(
    app: Flask, make_app: Callable[..., Flask], database_urls: dict[str, str], tmp_path: Path
) -> None:
    with app.app_context():
        db.engine.dispose()
    make_app(LOG_FILE=tmp_path / "app.log")
    before = open_things()
    left: list[weakref.ref[Flask] | weakref.ref[Engine]] = []
    for number in range(100):
        made = create_app({**database_urls, "TESTING": True, "LOG_FILE": tmp_path / "app.log"})
        made.test_client().get("/healthz")
        with made.app_context():
            left.append(weakref.ref(made))
            left.extend(weakref.ref(engine) for engine in db.engines.values())
        if number == 50:
            logging.getLogger("shop").warning("what starts a writer")
    del made
    make_app(LOG_FILE=tmp_path / "app.log")  # the new application's log replaces that of the last one
    assert open_things() == before
    assert [thing() for thing in left if thing()] == []


def test_a_writer_that_is_late_closes_its_connection_itself(app: Flask) -> None:
    """By then the pool to which the writer returns the connection has been discarded."""
    entered, proceed = threading.Event(), threading.Event()
    with app.app_context():
        engine = db.engines[LOG]
    engine.dispose()
    opened: list[object] = []
    event.listen(engine, "connect", lambda connection, _: opened.append(connection))
    event.listen(engine, "close", lambda connection, _: opened.remove(connection))

    def hold(_connection: Connection) -> None:
        entered.set()
        assert proceed.wait(60)

    event.listen(engine, "begin", hold)
    logging.getLogger("shop").error("on its way")
    assert entered.wait(60)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "dblog-writer"]
    app.extensions["dblog"].writer.close(timeout=0)
    assert opened
    proceed.set()
    thread.join(60)
    assert not opened


@pytest.mark.parametrize("given", [{"SQLALCHEMY_DATABASE_URI": "sqlite:///:memory:"}, {}])
def test_an_ordinary_test_of_flask_sqlalchemy_spares_the_sites_data(command: Command, given: dict[str, str]) -> None:
    """The databases that the environment names are the site's."""
    assert command("flask", "db", "upgrade").returncode == 0
    ended = command("-c", f"GIVEN = {given}\n{ORDINARY_TEST}")
    assert ended.stdout == "200\n", ended.stderr
    current = command("flask", "db", "current").stdout
    assert current.count("(head)") == 2
    assert command("flask", "user", "list").returncode == 0


ORDINARY_TEST = """
from app import create_app
from app.accounts.models import User
from app.database import db

app = create_app({"TESTING": True, **GIVEN})
with app.app_context():
    db.create_all()
    db.session.add(User(username="ada", password_hash="x"))
    db.session.commit()
    print(app.test_client().get("/").status_code)
    db.session.remove()
    db.drop_all()
"""


@pytest.mark.parametrize("debug", [False, True])
def test_an_empty_database_is_no_mistake_in_a_test(debug: bool) -> None:
    client = create_app({"TESTING": True, "DEBUG": debug}).test_client()
    assert [client.get(path).status_code for path in ("/healthz", "/nowhere")] == [200, 404]


def test_shell_knows_the_models_by_name(app: Flask) -> None:
    with app.app_context():
        names = app.make_shell_context()
    assert {"app", "db", "select", "User", "LogEntry", "LogProblem"} <= set(names)
