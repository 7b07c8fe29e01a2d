"""Rows of muted problems leave lists, charts and counts, at once and reversibly, unless they are asked for."""

import json
import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import Engine, update

from app import time_limit
from app.accounts.models import User
from app.database import db, hour_of, utcnow
from app.dblog.models import MUTED, OPEN, LogProblem
from app.dblog.viewer import follow, muted, paging
from app.dblog.viewer.counts import Overview, overview
from app.dblog.viewer.filters import Filters
from app.dblog.viewer.queries import LIST_COLUMNS, newest_id, page, reading
from app.listing import Cursor, Page

from ..conftest import SERVER, login
from .log_rows import problem_id, put, row

HOUR = timedelta(hours=1)


@pytest.fixture
def viewer(client: FlaskClient, admin: User) -> FlaskClient:
    login(client, admin)
    return client


def mute(log: Engine, *fingerprints: str, status: str = MUTED, until: datetime | None = None) -> None:
    with log.begin() as connection:
        which = LogProblem.fingerprint.in_(fingerprints)
        connection.execute(update(LogProblem).where(which).values(status=status, muted_until=until))


def messages(viewer: FlaskClient, query: str = "") -> list[str]:
    """Return the messages of the JSON list, after checking that the page and the file have the same."""
    found = [entry["message"] for entry in viewer.get(f"/logs.json{query}").get_json()["entries"]]
    assert ("bot<" in viewer.get(f"/logs{query}").text) == ("bot" in found)
    lines = viewer.get(f"/logs.jsonl{query}").text.splitlines()
    # A file has all rows, wherever a page begins.
    assert "around" in query or [json.loads(line)["message"] for line in lines] == found
    return found


def counted(app: Flask, **terms: str) -> Overview:
    with app.app_context(), reading() as log:
        found = overview(log, Filters.parse(terms))
    assert found is not None
    return found


def news(viewer: FlaskClient, query: str = "") -> int:
    rows: int = viewer.get(f"/logs/news.json?after=0{query}").get_json()["rows"]
    return rows


def test_muting_hides_at_once_and_unmuting_shows_again(app: Flask, viewer: FlaskClient, log: Engine) -> None:
    put(app, row("sale"), *(row("bot", fingerprint="1-bot", level=30, logger="web") for _ in range(3)), row("sale"))
    everything = ["sale", "bot", "bot", "bot", "sale"]
    before = counted(app)
    assert (before.total, before.hidden, before.hidden_problems) == (5, 0, 0)
    assert messages(viewer) == everything
    assert news(viewer) == 5

    mute(log, "1-bot")
    assert messages(viewer) == ["sale", "sale"]
    assert news(viewer) == 2
    now = counted(app)
    assert (now.total, now.hidden, now.hidden_problems) == (2, 3, 1)
    assert now.levels == {40: 2}
    assert now.loggers == [("shop", 2)]
    assert [bar.levels for bar in now.bars if bar.levels] == [{40: 2}]

    assert messages(viewer, "?muted=show") == everything
    assert news(viewer, "&muted=show") == 5
    asked = counted(app, muted="show")
    assert (asked.total, asked.hidden, asked.levels) == (5, 0, {30: 3, 40: 2})

    mute(log, "1-bot", status=OPEN)
    assert messages(viewer) == everything
    assert counted(app) == before


def test_a_mute_ends_with_its_time(app: Flask, viewer: FlaskClient, log: Engine) -> None:
    put(app, row("bot", fingerprint="1-bot"), row("sale"))
    mute(log, "1-bot", until=utcnow() + HOUR)
    assert messages(viewer) == ["sale"]
    assert counted(app).total == 1
    # The writer notices this only with the next record.
    mute(log, "1-bot", until=utcnow() - HOUR)
    assert messages(viewer) == ["sale", "bot"]
    assert counted(app).total == 2


def test_who_asks_for_a_request_a_problem_or_a_moment_sees_all_of_it(
    app: Flask, viewer: FlaskClient, log: Engine
) -> None:
    here, _ = put(app, row("bot", fingerprint="1-bot", request_id="r-1"), row("sale", request_id="r-1"))
    mute(log, "1-bot")
    number = problem_id(app, "1-bot")
    assert messages(viewer, "?request=r-1") == ["sale", "bot"]
    assert messages(viewer, f"?problem={number}") == ["bot"]
    assert messages(viewer, f"?around={here}") == ["sale", "bot"]
    assert ">bot<" in viewer.get(f"/logs/problems/{number}").text
    assert messages(viewer, "?user=7") == []
    assert "muted=show" in viewer.get(f"/logs?around={here}").text, "its links go on in the same list"


def test_what_is_hidden_is_counted_as_the_filter_says(app: Flask, log: Engine) -> None:
    start = hour_of(utcnow()) - 2 * HOUR
    for level, logger, age in ((30, "web", 0), (40, "web", 0), (40, "mail", 0), (40, "web", 9)):
        put(app, row("bot", fingerprint="1-bot", level=level, logger=logger, created_at=start - age * HOUR))
    put(app, row("sale"), row("cron", fingerprint="1-cron", age=30 * HOUR))
    mute(log, "1-bot", "1-cron")
    since = (start - HOUR).isoformat()
    assert counted(app, since=since).hidden == 3
    assert counted(app, since=since, level="ERROR").hidden == 2
    assert counted(app, since=since, level="ERROR", logger="web").hidden == 1
    assert counted(app, since=since, until=start.isoformat()).hidden == 0
    assert counted(app, since=since).hidden_problems == 1
    assert counted(app).hidden_problems == 2
    assert counted(app, since="30m").hidden is None, "a part of an hour is not counted"
    assert counted(app, logger="web").levels == {}
    assert counted(app).loggers == [("shop", 1)]


def test_what_is_without_a_row_is_not_subtracted(app: Flask, log: Engine) -> None:
    put(app, row("bot", fingerprint="1-bot"), row("sale"))
    with log.begin() as connection:
        for table in ("log_hour", "log_problem_hour"):
            where = " WHERE fingerprint = '1-bot'" if table == "log_problem_hour" else ""
            connection.exec_driver_sql(f"UPDATE {table} SET count = count + 9, without_row = without_row + 9{where}")
    mute(log, "1-bot")
    found = counted(app)
    assert (found.total, found.hidden, found.levels) == (1, 1, {40: 1})


def test_rows_of_one_release(app: Flask, viewer: FlaskClient) -> None:
    put(app, *(row("sale", release="2.0") for _ in range(2)), row("bot", release="1.0"), row("bot"))
    assert messages(viewer, "?release=2.0") == ["sale", "sale"]
    assert messages(viewer, "?release=1.0&level=ERROR&logger=shop") == ["bot"]
    assert messages(viewer, "?release=3.0") == []
    with app.app_context(), reading() as log:
        assert overview(log, Filters(release="2.0")) is None, "the counts know no release"


def test_muted_is_shown_or_nothing(viewer: FlaskClient) -> None:
    answer = viewer.get("/logs.json?muted=hide")
    assert answer.status_code == 400
    assert answer.get_json()["error"].startswith("muted: show")


@pytest.mark.parametrize("command", ["list --json", "export --format jsonl"])
def test_a_command_says_what_it_hides(app: Flask, runner: FlaskCliRunner, log: Engine, command: str) -> None:
    put(app, row("bot", fingerprint="1-bot", release="1.0"), row("sale", request_id="r-1"))
    arguments = ["log", *command.split()]
    assert runner.invoke(args=arguments).stderr == ""
    mute(log, "1-bot")
    result = runner.invoke(args=arguments)
    assert [json.loads(line)["message"] for line in result.stdout.splitlines()] == ["sale"]
    assert result.stderr == "Without the rows of 1 muted problem; --muted shows them.\n"
    result = runner.invoke(args=[*arguments, "--muted"])
    assert [json.loads(line)["message"] for line in result.stdout.splitlines()] == ["sale", "bot"]
    assert result.stderr == ""
    assert runner.invoke(args=[*arguments, "--request", "r-1"]).stderr == "", "nothing is hidden"
    result = runner.invoke(args=[*arguments, "--muted", "--release", "1.0"])
    assert [json.loads(line)["message"] for line in result.stdout.splitlines()] == ["bot"]


def test_following_leaves_muted_rows_out(app: Flask, log: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.01)
    put(app, row("sale 1"), *(row("bot", fingerprint="1-bot") for _ in range(20)))
    mute(log, "1-bot")
    with app.app_context():
        followed = follow.follow(2, LIST_COLUMNS)
        some = [next(followed)]
        put(app, row("bot", fingerprint="1-bot"), row("sale 2"), row("bot", fingerprint="1-bot"))
        some.append(next(followed))
        mute(log, "1-bot", status=OPEN)
        put(app, row("bot 3", fingerprint="1-bot"))
        some.append(next(followed))
        everything = follow.follow(2, LIST_COLUMNS, show_muted=True)
        mute(log, "1-bot")
        some += [next(everything), next(everything)]
    assert [getattr(each, "message", each) for each in some] == ["sale 1", "sale 2", "bot 3", "bot", "bot 3"]


def test_the_newest_row_is_the_newest_even_if_it_is_muted(app: Flask, viewer: FlaskClient, log: Engine) -> None:
    """Otherwise a log of muted rows alone would say that nothing was ever logged."""
    put(app, row("bot", fingerprint="1-bot"))
    mute(log, "1-bot")
    with app.app_context(), reading() as session:
        assert newest_id(session)
        assert db.engines["log"] is log
    assert "Nothing has been logged yet" not in viewer.get("/logs").text


def plain(rows: list[dict[str, Any]], filters: Filters) -> list[str]:
    """Return what a list should have, newest first, by looking at each row."""
    return [
        str(each["message"])
        for each in sorted(rows, key=lambda each: (each["created_at"], each["number"]), reverse=True)
        if (filters.muted or each["fingerprint"][:3] != "1-m")
        and each["level"] >= (filters.level or 0)
        and filters.logger in (None, each["logger"])
        and filters.user in (None, each["user_id"])
        and filters.release in (None, each["release"])
        and (filters.q or "") in each["message"]
        and (filters.since is None or each["created_at"] >= filters.since)
        and (filters.until is None or each["created_at"] < filters.until)
    ]


def walk(app: Flask, filters: Filters, size: int) -> tuple[list[str], list[str]]:
    """Return all rows by going from page to page, first to older ones, then back to newer ones."""
    seen: dict[str, list[str]] = {"older": [], "newer": []}
    with app.app_context():
        found: Page | None = None
        for way, side in (("older", "before"), ("newer", "after")):
            # The way back begins one page beyond the last, before the oldest row.
            cursor = None if found is None else str(Cursor(datetime(2000, 1, 1, tzinfo=UTC), 0))
            # The test also ends if a cursor does not move.
            for _ in range(1_000):
                with reading() as log:
                    found = page(log, filters, size=size, **({side: cursor} if cursor else {}))
                messages = [entry.message for entry in found.entries]
                seen[way] += messages if way == "older" else messages[::-1]
                assert len(messages) == size or getattr(found, way) is None or found.searched_to
                cursor = getattr(found, way)
                if cursor is None:
                    break
    return seen["older"], seen["newer"][::-1]


@pytest.mark.parametrize("seed", range(3))
def test_skipping_finds_what_a_plain_filter_finds(
    app: Flask, log: Engine, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """This holds in both directions, with other filters, through hours that are all muted, mixed, dense or empty."""
    chosen = random.Random(seed)
    for name, most in {"SEARCH_ROWS": 16, "DENSE_ROWS": 8, "UNMUTED_FIRST": 1, "SKIPS": 2}.items():
        monkeypatch.setattr(paging, name, most)
    monkeypatch.setattr(muted, "COUNTS_READ", 9)
    start = hour_of(utcnow()) - 40 * HOUR
    rows = []
    for hour in range(0, 40, chosen.choice((1, 3))):
        share = chosen.choice((0.0, 0.5, 1.0, 1.0, 1.0))
        for _ in range(chosen.choice((0, 1, 4, 12))):
            number = len(rows)
            # Some rows share a moment, some are exactly on the hour.
            moment = start + hour * HOUR + chosen.choice((0, 0.25, chosen.random())) * HOUR
            columns = {
                "fingerprint": f"1-{'m' if chosen.random() < share else 'a'}{chosen.randrange(5)}",
                "level": chosen.choice((20, 30, 40)),
                "logger": chosen.choice(("shop", "web")),
                "user_id": chosen.choice((None, 7)),
                "release": chosen.choice(("1.0", "2.0")),
            }
            rows.append(row(f"m{number}", created_at=moment, **columns) | {"number": number})
    put(app, *rows)
    mute(log, *{each["fingerprint"] for each in rows if each["fingerprint"][:3] == "1-m"})
    for _ in range(10):
        since = chosen.choice((None, start + chosen.randrange(40) * HOUR, start + chosen.random() * 40 * HOUR))
        until = chosen.choice((None, None, (since or start) + chosen.random() * 20 * HOUR))
        filters = Filters(
            level=chosen.choice((None, None, 30, 40)),
            logger=chosen.choice((None, None, "web")),
            user=chosen.choice((None, None, None, 7)),
            release=chosen.choice((None, None, "2.0")),
            q=chosen.choice((None, None, "1")),
            since=since,
            until=until,
            muted=chosen.choice((None, None, None, "show")),
        )
        expected = plain(rows, filters)
        assert walk(app, filters, chosen.choice((3, 7))) == (expected, expected), filters


@pytest.mark.skipif(not SERVER.startswith("sqlite"), reason="about SQLite only")
@pytest.mark.parametrize("order", ["mixed", "muted last"])
def test_a_page_does_not_wade_through_muted_rows(
    app: Flask, log: Engine, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    steps: list[None] = []

    def tick() -> float:
        steps.append(None)
        return 0.0

    start = hour_of(utcnow()) - 40 * HOUR
    numbers = range(6_000)
    # The rows that are not muted are one in fifty, or the oldest fiftieth.
    left = [number for number in numbers if (number % 50 == 0 if order == "mixed" else number < 120)]
    rows = [
        row(f"m{number}", created_at=start + number * HOUR / 150, level=20, fingerprint="1-bot") for number in numbers
    ]
    for number in left:
        rows[number] |= {"fingerprint": f"1-{number % 3}"}
    put(app, *rows)
    mute(log, "1-bot")
    monkeypatch.setattr(time_limit, "SQLITE_STEPS", 1_000)
    monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=tick))
    expected = [f"m{number}" for number in reversed(left)]
    with app.app_context():
        for filters in (Filters(), Filters(level=20), Filters(logger="shop"), Filters(since=start)):
            before = None
            found: list[str] = []
            for _ in range(2):
                steps.clear()
                with reading() as session:
                    rows_of_page = page(session, filters, before=before)
                found += [entry.message for entry in rows_of_page.entries]
                before = rows_of_page.older
                # To read the muted rows one by one would take 20 instructions a row.
                assert len(steps) < 60, (filters, len(steps))
                assert rows_of_page.searched_to is None
            assert found == expected[:100]
