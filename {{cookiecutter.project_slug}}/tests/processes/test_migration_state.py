"""The application knows which revision its database has, and AUTO_MIGRATE applies those that are pending."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import create_engine, inspect, text

from app import migration_state
from app.database import db

from ..conftest import KEY, Command, Server

Serve = Callable[..., AbstractContextManager[Server]]
RUN = ("flask", "run", "--no-reload", "-p", "0")
DEBUG = {"FLASK_DEBUG": "1"}


def get(server: Server, path: str = "/") -> tuple[int, str]:
    try:
        with urlopen(server.url + path) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_states(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    with app.app_context():
        for bind in (None, "log"):
            assert migration_state.state(app, bind) == "empty"
        upgrade()
        for bind in (None, "log"):
            assert migration_state.state(app, bind) == "current"
        downgrade(revision="0001_users")
        assert migration_state.state(app) == "behind"
        downgrade(revision="base")
        assert migration_state.state(app) == "empty"
        upgrade()
        with db.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = 'of tomorrow'"))
        assert migration_state.state(app) == "unknown"


def test_tables_that_no_revision_made_are_left_alone(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    with app.app_context():
        with db.engine.begin() as connection:
            connection.execute(text("CREATE TABLE somebody_elses (id INTEGER)"))
        assert migration_state.state(app) == "unknown"


def test_both_in_one_database(make_app: Callable[..., Flask], scratch: Callable[[], str]) -> None:
    url = scratch()
    app = make_app(DATABASE_URL=url, LOG_DATABASE_URL=url)
    with app.app_context():
        upgrade()
        with db.engine.begin() as connection:
            for table in reversed(db.metadatas["log"].sorted_tables):
                connection.execute(text(f"DROP TABLE {table.name}"))
            connection.execute(text("DROP TABLE alembic_version_log"))
        assert migration_state.state(app) == "current"
        assert migration_state.state(app, "log") == "empty"


def test_a_revision_that_is_written_meanwhile_is_noticed(copied: object, command: Command) -> None:
    code = """
from flask_migrate import revision, upgrade
from app import create_app, migration_state
app = create_app()
with app.app_context():
    upgrade()
    print(migration_state.state(app))
    revision(message="new")
    print(migration_state.state(app))
"""
    assert [line for line in command("-c", code).stdout.split() if line in ("current", "behind")] == [
        "current",
        "behind",
    ]


def test_the_first_run_in_debug_makes_the_tables(serve: Serve, database_urls: dict[str, str]) -> None:
    with serve(*RUN, **DEBUG) as server:
        assert get(server)[0] == 200
        assert get(server, "/readyz")[0] == 200
    assert "users" in tables(database_urls["DATABASE_URL"])
    assert "log_entry" in tables(database_urls["LOG_DATABASE_URL"])


def test_debug_migrates_nothing_but_says_what_to_do(
    serve: Serve, command: Command, database_urls: dict[str, str]
) -> None:
    command("flask", "db", "upgrade", "0001_users")
    before = tables(database_urls["LOG_DATABASE_URL"])
    with serve(*RUN, **DEBUG) as server:
        status, page = get(server)
        assert status == 503
        assert "flask db upgrade" in page
        assert get(server, "/static/site.css")[0] == 200
        assert tables(database_urls["LOG_DATABASE_URL"]) == before
        # No restart is needed.
        command("flask", "db", "upgrade")
        assert get(server)[0] == 200


def test_auto_migrate_1_applies_what_is_pending(serve: Serve, command: Command) -> None:
    command("flask", "db", "upgrade", "0001_users")
    with serve(*RUN, AUTO_MIGRATE="1") as server:
        assert '"current"' in get(server, "/readyz")[1].replace(" ", "")


def test_auto_migrate_1_takes_turns(serve: Serve) -> None:
    def start(_: int) -> int:
        with serve(*RUN, AUTO_MIGRATE="1") as server:
            return get(server, "/readyz")[0]

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(start, range(3))) == [200, 200, 200]


def test_auto_migrate_0_touches_nothing(serve: Serve, database_urls: dict[str, str]) -> None:
    with serve(*RUN, AUTO_MIGRATE="0", **DEBUG) as server:
        status, page = get(server)
    assert status == 503
    assert "no tables yet" in page
    assert not tables(database_urls["DATABASE_URL"])


def test_outside_debug_nothing_happens_by_itself(serve: Serve, database_urls: dict[str, str]) -> None:
    with serve(*RUN, FLASK_DEBUG="0") as server:
        assert get(server, "/healthz")[0] == 200
    assert not tables(database_urls["DATABASE_URL"])


#: An application under TESTING does not look at the revisions.
NO_TEST = {"TESTING": False, "SECRET_KEY": KEY, "LOG_FILE": ""}


def test_behind_outside_debug_is_one_warning(make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(**NO_TEST)
    with app.app_context():
        upgrade(revision="0001_users")
    for _ in range(3):
        assert app.test_client().get("/login").status_code == 200
    assert app.test_client().get("/readyz").status_code == 503
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.name for record in warnings].count("app.migration_state") == 1
    assert "flask db upgrade" in caplog.text


def test_ahead_is_served(make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(**NO_TEST)
    with app.app_context():
        upgrade()
        with db.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = 'of tomorrow'"))
    assert app.test_client().get("/readyz").status_code == 200
    assert "app.migration_state" not in {record.name for record in caplog.records}


def test_two_heads_change_nothing(
    serve: Serve, copied: object, command: Command, database_urls: dict[str, str]
) -> None:
    """A project gets two heads if it has a revision of its own and the template's next release brings another."""
    assert command("flask", "db", "revision", "-m", "another beginning", "--head", "base").returncode == 0
    with serve(*RUN, **DEBUG) as server:
        status, page = get(server)
        assert status == 503
        assert "flask db merge heads" in page
        assert get(server, "/readyz")[0] == 503
    for arguments in (("db", "upgrade"), ("run",)):
        ended = command("flask", *arguments, AUTO_MIGRATE="1")
        assert ended.returncode == 1
        assert "flask db merge heads" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert tables(database_urls["DATABASE_URL"]) | tables(database_urls["LOG_DATABASE_URL"]) == set()
    assert command("flask", "db", "merge", "heads").returncode == 0
    with serve(*RUN, **DEBUG) as server:
        assert get(server)[0] == 200


def test_the_first_run_below_a_percent_sign(serve: Serve, copied: Path, command: Command) -> None:
    command.folder = copied.rename(copied.with_name("100% mine"))
    with serve(*RUN, **DEBUG) as server:
        assert get(server)[0] == 200


def test_other_commands_do_not_migrate(command: Command, database_urls: dict[str, str]) -> None:
    command("flask", "routes", AUTO_MIGRATE="1", **DEBUG)
    command("flask", "shell", AUTO_MIGRATE="1", input="print(app)\n", **DEBUG)
    assert not tables(database_urls["DATABASE_URL"])


def test_an_unreachable_database(serve: Serve, command: Command) -> None:
    pytest.importorskip("psycopg")
    nowhere = "postgresql://nobody:hidden@127.0.0.1:9/none"
    urls = {"DATABASE_URL": nowhere, "LOG_DATABASE_URL": nowhere}
    with serve(*RUN, **DEBUG, **urls) as server:
        assert get(server, "/healthz")[0] == 200
        status, answer = get(server, "/readyz")
        assert status == 503
        assert "hidden" not in answer
    ended = command(*RUN, AUTO_MIGRATE="1", **urls)
    assert ended.returncode == 1
    assert ended.stderr.count("AUTO_MIGRATE:") == 1
    assert "Traceback" not in ended.stderr
