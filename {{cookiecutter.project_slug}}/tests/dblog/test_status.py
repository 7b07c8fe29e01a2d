"""The log reports its state on the tabs of every page, on its status page and in a terminal."""

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, update

from app import dblog
from app.accounts.models import User
from app.database import db, utcnow
from app.dblog.errors import TooSlow
from app.dblog.journal import waiting
from app.dblog.journal.append import FILES_SEEN_AT_ONCE
from app.dblog.journal.files import QUARANTINE, quarantine
from app.dblog.journal.waiting import look
from app.dblog.models import LogHour, LogProblem, LogProblemHour
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
    """Return the texts of the tabs, as a screen reader reads them."""
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
    """A page does not read 10,000 open problems of INFO only to find that none of them counts."""
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
    assert tabs(viewer.get("/logs?since=banana").text) == ["Problems", "Rows", "Status degraded"]


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


# Lost records


def facts_of(app: Flask) -> dict[str, Any]:
    """Return what the command prints as JSON, after checking that its exit code agrees."""
    result = app.test_cli_runner().invoke(args=["log", "status", "--json"])
    facts: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (facts["state"] == "degraded")
    return facts


def dropped(count: int, **columns: Any) -> dict[str, Any]:
    return row(f"{count} records dropped: the journal is full", logger="dblog", fingerprint="1-dropped", **columns)


def test_dropped_records_degrade_the_log_for_a_day(app: Flask, viewer: FlaskClient) -> None:
    put(app, dropped(7, age=25 * HOUR))
    assert (facts_of(app)["state"], facts_of(app)["reasons"]) == ("ok", []), (
        "what is longer ago was seen, or never will be"
    )
    put(app, dropped(3, age=23 * HOUR))
    [reason] = facts_of(app)["reasons"]
    assert "Records were dropped" in reason
    assert "the logger dblog" in reason
    page = viewer.get("/logs/status").text
    assert tabs(page)[2] == "Status degraded"
    assert "Records were dropped" in page
    [link] = re.findall(r'href="(/logs\?[^"]*logger=dblog[^"]*)"', page)
    assert "3 records dropped" in viewer.get(unescape(link)).text
    assert viewer.get("/readyz").status_code == 200, "the site is not taken down for its log"


def test_what_was_dropped_while_the_database_is_away_is_said_at_once(app: Flask) -> None:
    with app.app_context():
        app.extensions["dblog"].writer.close(0)
    app.extensions["dblog"].journal.state.dropped["the journal is full"] += 5
    facts = dblog.status(app)
    assert (facts["state"], facts["dropped"]) == ("degraded", 5)
    assert facts["reasons"] == ["Records that were dropped, and that no row of the log reports yet: 5."]


def test_a_quarantine_degrades_the_log_until_it_is_moved_away(app: Flask, viewer: FlaskClient) -> None:
    folder = Path(app.config["LOG_JOURNAL_DIR"])
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    for number in range(2):
        quarantine(folder, f"{number}", {"time": moment.timestamp() + number}, "too odd")
    [reason] = facts_of(app)["reasons"]
    assert reason.startswith(
        "Records in quarantine, because the database refused them: 2, the first of 2026-01-02 03:04 UTC."
    )
    assert "quarantine.ndjson" in viewer.get("/logs/status").text
    ready = viewer.get("/readyz")
    assert (ready.status_code, ready.get_json()["log"]) == (200, "degraded")
    (folder / QUARANTINE).rename(folder / "read.ndjson")
    assert (facts_of(app)["state"], dblog.status(app)["state"]) == ("ok", "ok")


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b'{"record": null}\n', b"half of a"])
def test_a_quarantine_that_somebody_edited(app: Flask, viewer: FlaskClient, line: bytes) -> None:
    folder = Path(app.config["LOG_JOURNAL_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / QUARANTINE).write_bytes(line)
    assert (facts_of(app)["quarantined"], facts_of(app)["quarantined_since"]) == (1, None)
    assert viewer.get("/logs/status").status_code == 200


def test_a_request_reads_a_part_of_a_large_quarantine(
    app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "QUARANTINE_BYTES", 1_000)
    for number in range(100):
        quarantine(Path(app.config["LOG_JOURNAL_DIR"]), f"{number}", {"time": 1.0}, "x" * 100)
    facts = dblog.status(app)
    assert facts["quarantined"] < 20
    assert facts["partial"]
    assert facts_of(app)["quarantined"] == 100


# What it holds


def test_it_says_how_much_there_is_and_how_fast_it_grows(app: Flask, viewer: FlaskClient) -> None:
    put(app, *(row(age=age * HOUR) for age in (0, 1, 50, 24 * 20)))
    facts = facts_of(app)
    assert (facts["rows"], facts["open_problems"], facts["kept_days"], facts["kept_rows"]) == (4, 1, 30, 5_000_000)
    assert (facts["rows_a_day"], facts["rows_above_limit"], facts["storms"]) == (1, 0, [])
    assert datetime.fromisoformat(facts["oldest"]) < datetime.fromisoformat(facts["newest"]) <= utcnow()
    assert 10_000 < facts["bytes_on_disk"] < 100_000_000
    page = viewer.get("/logs/status").text
    for name, value in (("Rows", "4"), ("Kept for (LOG_RETENTION_DAYS)", "30 days"), ("Oldest row", "20 d ago")):
        assert re.search(rf"<dt>{re.escape(name)}</dt><dd>(<time[^>]*>)?{value}", page), name


def test_one_day_is_not_several(app: Flask, viewer: FlaskClient) -> None:
    app.config |= {"LOG_RETENTION_DAYS": 1, "LOG_MAX_ROWS": 1}
    page = viewer.get("/logs/status").text
    assert "<dt>Kept for (LOG_RETENTION_DAYS)</dt><dd>1 day</dd>" in page
    assert "<dt>Kept at most (LOG_MAX_ROWS)</dt><dd>1 row</dd>" in page
    assert "rows go after 1 day." in viewer.get("/logs?find=%23999999").text


def test_a_young_log_is_not_extrapolated(app: Flask) -> None:
    put(app, *(row() for _ in range(10)))
    assert facts_of(app)["rows_a_day"] == 10


def test_storms_are_named(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("calm"), row("<b>storm</b>", fingerprint="1-storm"), row("past", fingerprint="1-past", age=30 * HOUR))
    with app.app_context(), db.engines["log"].begin() as connection:
        for table in (LogHour, LogProblemHour):
            connection.execute(update(table).values(without_row=100, count=101))
        calm = update(LogProblemHour).where(LogProblemHour.fingerprint == "1-shop")
        connection.execute(calm.values(without_row=0))
    [storm] = facts_of(app)["storms"]
    assert (storm["title"], storm["records_without_row"]) == ("<b>storm</b>", 100)
    assert (
        f'<a href="/logs/problems/{storm["problem"]}"><bdi>&lt;b&gt;storm&lt;/b&gt;</bdi></a>'
        in viewer.get("/logs/status").text
    )
    assert "storm  100 without row" in app.test_cli_runner().invoke(args=["log", "status"]).stdout


def test_the_command_says_in_text_what_to_do(app: Flask) -> None:
    put(app, dropped(3))
    result = app.test_cli_runner().invoke(args=["log", "status"])
    assert result.exit_code == 1
    assert re.search(r"state  degraded\n +Records were dropped", result.stdout)
