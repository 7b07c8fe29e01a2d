"""What the log says of itself: on the tabs of every page, on its status page and in a terminal."""

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, update

from app.accounts.models import User
from app.database import db, utcnow
from app.dblog.errors import TooSlow
from app.dblog.journal.append import FILES_SEEN_AT_ONCE
from app.dblog.journal.waiting import look
from app.dblog.models import LogProblem
from app.dblog.viewer import problems, status
from app.dblog.viewer.queries import reading

from ..conftest import login
from .log_rows import ERROR, put, row

HOUR = timedelta(hours=1)


@pytest.fixture
def viewer(client: FlaskClient, admin: User) -> FlaskClient:
    login(client, admin)
    return client


def tabs(page: str) -> list[str]:
    """The texts of the tabs, as a screen reader says them."""
    found = re.search(r'<nav class="ui-tabs".*?</nav>', page, re.DOTALL)
    assert found, page
    return [" ".join(re.sub("<[^>]*>", " ", tab).split()) for tab in re.findall("<a .*?</a>", found[0], re.DOTALL)]


# Tabs


def test_every_page_has_tabs_with_open_problems_and_state(app: Flask, viewer: FlaskClient) -> None:
    put(
        app,
        row("a", **ERROR),
        row("b", fingerprint="1-b", level=logging.WARNING),
        row("c", fingerprint="1-c", level=20),
    )
    for address in ("/logs/problems", "/logs", "/logs/1", "/logs/problems/1", "/logs/status", "/logs?since=banana"):
        assert tabs(viewer.get(address).text) == ["Problems 2 open", "Rows", "Status ok"], address


def test_a_mute_that_has_ended_counts_as_open(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("a"), row("b", fingerprint="1-b"))
    mute = update(LogProblem).values(status="muted", muted_until=utcnow() + HOUR)
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(mute)
    assert tabs(viewer.get("/logs").text)[0] == "Problems 0 open"
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(mute.where(LogProblem.fingerprint == "1-b").values(muted_until=utcnow() - HOUR))
    assert tabs(viewer.get("/logs").text)[0] == "Problems 1 open"


def test_the_number_is_capped(app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "COUNT_CAP", 1)
    put(app, row("a"), row("b", fingerprint="1-b"), row("c", fingerprint="1-c"))
    assert tabs(viewer.get("/logs").text)[0] == "Problems 1+ open"


def test_an_index_counts(app: Flask) -> None:
    """10,000 open problems of INFO are not walked at every page to find that none of them counts."""
    seen: list[tuple[str, Any]] = []
    with app.app_context(), db.engines["log"].connect() as connection:
        if connection.dialect.name != "sqlite":
            pytest.skip("each database shows its plan in its own words")
        event.listen(connection.engine, "before_cursor_execute", lambda *given: seen.append(given[2:4]))
        with reading() as session:
            problems.count_open(session)
        (count,) = (each for each in seen if "count(" in each[0])
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {count[0]}", count[1])
        assert "COVERING INDEX ix_log_problem_status_level (status=? AND level>?)" in " ".join(step[3] for step in plan)


def test_tabs_are_there_while_their_number_is_not(
    app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_session: object) -> int:
        raise TooSlow

    monkeypatch.setattr(problems, "count_open", fail)
    assert tabs(viewer.get("/logs?since=banana").text) == ["Problems", "Rows", "Status ok"]


def test_the_journals_are_not_looked_at_for_every_page(
    app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    monkeypatch.setattr(status, "look", lambda *given: looked.append(given) or look(*given))
    for _ in range(5):
        assert tabs(viewer.get("/logs").text)[2] == "Status ok"
    assert len(looked) == 1
    assert looked[0][1] == FILES_SEEN_AT_ONCE


def test_the_dot_says_degraded_in_words(app: Flask, viewer: FlaskClient) -> None:
    app.extensions["dblog"].journal.state.error = "the log database takes no rows"
    page = viewer.get("/logs").text
    assert tabs(page)[2] == "Status degraded"
    assert "<span>degraded</span>" in page, "to everybody, since not everybody sees red"
