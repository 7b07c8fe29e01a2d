"""No reader of the log keeps the database busy for long; the limit does not apply to the writer."""

from contextlib import suppress

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from app import time_limit
from app.accounts.models import User
from app.dblog.errors import TooSlow
from app.dblog.models import SEARCH_CHARACTERS
from app.dblog.viewer.paging import SEARCH_ROWS
from app.dblog.viewer.queries import reading
from tests.conftest import login

from .log_rows import put, row

# One statement that works for as long as the test needs.
BUSY = {
    "sqlite": "SELECT sum(1) FROM (WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n LIMIT {}) SELECT 1 FROM n)",
    "postgresql": "SELECT count(*) FROM generate_series(1, {}) AS n",
    "mariadb": "SELECT sum(mod(seq, 7)) FROM seq_1_to_{}",
}


@pytest.fixture
def viewer(client: FlaskClient, admin: User) -> FlaskClient:
    login(client, admin)
    return client


def busy(log: Engine, steps: int) -> str:
    return BUSY[log.dialect.name.replace("mysql", "mariadb")].format(steps)


def test_a_search_looks_at_the_beginning_of_a_message(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("x" * (SEARCH_CHARACTERS - 6) + "needle"), row("y" * SEARCH_CHARACTERS + "needle"))
    [found] = viewer.get("/logs.json?q=needle").get_json()["entries"]
    assert found["message"].startswith("x")


def test_a_near_match_is_stopped_and_the_page_says_so(
    app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(app, *(row("a" * SEARCH_CHARACTERS) for _ in range(SEARCH_ROWS)))
    monkeypatch.setattr(time_limit, "STATEMENT_SECONDS", 0.002)
    query = f"q={'a' * 199}b"
    for address in (f"/logs?{query}", f"/logs.json?{query}", f"/logs.csv?{query}"):
        answer = viewer.get(address)
        assert answer.status_code == 503, answer.text
        assert "stopped at its time limit" in answer.text, address
    result = app.test_cli_runner().invoke(args=["log", "list", "--grep", "a" * 199 + "b"])
    assert result.exit_code == 1
    assert "stopped at its time limit" in result.output
    monkeypatch.undo()
    assert viewer.get("/logs").status_code == 200


def test_the_limit_ends_with_the_reading(app: Flask, log: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "STATEMENT_SECONDS", 0.1)
    with app.app_context():
        for _ in range(3):
            with pytest.raises(TooSlow), reading() as session:
                session.execute(text(busy(log, 1_000_000_000)))
            with reading() as session:
                assert session.scalar(text("SELECT 1")) == 1
    monkeypatch.setattr(time_limit, "STATEMENT_SECONDS", 0.001)
    # On a slow machine even this statement may be stopped.
    with suppress(TooSlow), app.app_context(), reading() as session:
        session.scalar(text("SELECT 1"))
    # The writer uses the same connections.
    with log.connect() as first, log.connect() as second:
        for connection in (first, second):
            try:
                assert connection.scalar(text(busy(log, 200_000)))
            except DBAPIError as error:
                pytest.fail(f"the writer is limited too: {error.orig}")
