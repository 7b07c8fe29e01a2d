"""An admin sees the log's pages and their JSON; a user and a stranger do not."""

import csv
import io
import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Dialect, Engine, event, select

from app.accounts.models import User
from app.database import db, hour_of, utcnow
from app.dblog.models import LogProblem
from app.dblog.viewer import decisions, export, paging, queries
from app.dblog.viewer.filters import Filters
from app.engines import close_connections, engine_options
from app.listing import Cursor

from ..conftest import csrf_token, login
from .log_rows import ERROR, problem_id, put, row

HOUR = timedelta(hours=1)
SAMPLES = {"entry_id": 1, "problem_id": 1, "form": "csv", "filename": "log.css"}


@pytest.fixture
def viewer(client: FlaskClient, admin: User) -> FlaskClient:
    login(client, admin)
    return client


def shown(page: str) -> list[str]:
    """Return the messages of a list, from top to bottom."""
    return re.findall(r'class="ui-row"[^>]*>(?:<strong>[^<]*</strong> )?<bdi>(.*?)</bdi>', page)


def chips(page: str) -> dict[str, tuple[str, str | None, bool]]:
    """Return the chips of levels, loggers and muted problems by label: address, number, and whether it is on."""
    [nav] = re.findall(r'<nav class="ui-chips" aria-label="Levels, loggers.*?</nav>', page, re.DOTALL)
    found = {}
    for address, attributes, content in re.findall(r'href="([^"]*)"([^>]*)>(.*?)</a>', nav):
        number = re.search(r'<span class="ui-muted">([^<]*)</span>', content)
        label = re.sub(r"<span.*?</span>|<[^>]*>", "", content).strip()
        found[label] = unescape(address), number and number[1], "aria-current" in attributes
    return found


def log_addresses(app: Flask) -> list[tuple[str, str]]:
    with app.test_request_context():
        addresses = []
        for rule in app.url_map.iter_rules():
            if rule.endpoint.startswith("dblog."):
                _, address = rule.build({name: SAMPLES[name] for name in rule.arguments}) or ("", "")
                addresses += [(method, address) for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}]
    return addresses


def test_every_address_is_for_admins(app: Flask, client: FlaskClient, user: User) -> None:
    app.config["WTF_CSRF_ENABLED"] = False  # the check of the token would refuse the request before the guard is asked
    addresses = [*log_addresses(app), ("GET", "/logs.jsonl")]
    assert len(addresses) >= 12
    for method, address in addresses:
        answer = client.open(address, method=method)
        if address.endswith((".json", ".jsonl")):
            assert answer.status_code == 401, address
            assert answer.json
        else:
            assert answer.status_code == 302, address
            assert "/login" in answer.location
    app.config["WTF_CSRF_ENABLED"] = True
    login(client, user)
    app.config["WTF_CSRF_ENABLED"] = False
    for method, address in addresses:
        assert client.open(address, method=method).status_code == 403, address


def test_rows_are_newest_first_and_a_day_back(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("old", age=30 * HOUR), row("first", age=2 * HOUR), row("second", age=HOUR))
    assert shown(viewer.get("/logs").text) == ["second", "first"]
    assert shown(viewer.get("/logs?since=7d").text) == ["second", "first", "old"]
    assert shown(viewer.get("/logs?since=all").text) == ["second", "first", "old"]


def test_pages_meet_without_gap_or_overlap(app: Flask, viewer: FlaskClient) -> None:
    same = utcnow() - HOUR
    put(app, *(row(f"m{number}", created_at=same) for number in range(120)))
    messages, address, pages = [], "/logs.json", 0
    while address:
        page = viewer.get(address).get_json()
        messages += [entry["message"] for entry in page["entries"]]
        newer, address, pages = page["newer"], page["older"], pages + 1
    assert messages == [f"m{number}" for number in reversed(range(120))]
    assert pages == 3
    assert [entry["message"] for entry in viewer.get(newer).get_json()["entries"]] == messages[50:100]


# This has the rows that each query finds in the test below, newest first.
FILTERS = {
    "level=ERROR": ["a", "b"],
    "level=50": ["b"],
    "level=info&logger=cafe": ["c"],
    "level=WARNING&q=c": ["a", "c"],
    "level=ERROR&q=c": ["a"],
    "logger=cafe": ["c"],
    "q=B": ["b"],
    "q=OutOfCoffee": ["a"],
    "q=%25": [],
    "request=r-1": ["a"],
    "user=7": ["a"],
    "user=7&level=CRITICAL": [],
    "problem=1": ["c"],
    "problem=1&q=c&level=10": ["c"],
    "problem=99": [],
    "until=1h": ["b", "c"],
    "since=1h": ["a"],
    "until=90s": ["a", "b", "c"],
    "since=40m": ["a"],
    "request=r-1&user=8": [],
    "logger=%FF": [],
    "level=60": [],
}


def test_filters(app: Flask, viewer: FlaskClient) -> None:
    put(
        app,
        row("c", age=3 * HOUR, level=30, logger="cafe", fingerprint="1-cafe"),
        row("b", age=2 * HOUR, level=50),
        row("a", age=HOUR / 2, **ERROR),
    )
    for query, expected in FILTERS.items():
        assert shown(viewer.get(f"/logs?{query}").text) == expected, query
        answer = viewer.get(f"/logs.json?{query}").get_json()
        assert [entry["message"] for entry in answer["entries"]] == expected, query


def links(page: str) -> dict[str, str]:
    """Return the addresses of the page's links by their first word: Older, Newer, CSV."""
    return {word: unescape(address) for address, word in re.findall(r'href="([^"]*)">(?:← )?(\w+)', page)}


def at(moment: datetime) -> str:
    """Return a moment as it is written in an address."""
    return moment.isoformat().replace("+", "%2B")


def test_until_ends_the_page_and_all_it_leads_to(app: Flask, viewer: FlaskClient) -> None:
    hour = hour_of(utcnow())
    ages = [timedelta(minutes=minutes) for minutes in range(0, 600, 5)]
    rows = [(f"m{age}", hour - age) for age in ages] + [("old", hour - 30 * HOUR)]
    put(app, *(row(message, created_at=moment) for message, moment in reversed(rows)))
    for since in (None, 24, 5):
        query = f"until={at(hour - 2 * HOUR)}" + (f"&since={at(hour - since * HOUR)}" if since else "")
        expected = [
            message
            for message, moment in rows
            if moment < hour - 2 * HOUR and (not since or moment >= hour - since * HOUR)
        ]
        page = viewer.get(f"/logs?{query}").text
        assert f"<strong>{len(expected)}</strong>" in page, query
        assert re.search(r"<span>now</span>\s*</figcaption>", page) is None
        assert "data-news" not in page, "what comes now is not on it"
        assert "Newer" not in links(page)
        exported = viewer.get(links(page)["CSV"]).text
        assert [line["message"] for line in csv.DictReader(io.StringIO(exported))] == expected, query
        found = shown(page)
        while address := links(page).get("Older"):
            page = viewer.get(address).text
            found += shown(page)
        assert found == expected, query
        while address := links(page).get("Newer"):
            page = viewer.get(address).text
        assert shown(page) == expected[:50], query


@pytest.mark.parametrize("age", ["2h", "120m", "7200s", "179m"])
def test_an_age_of_hours_starts_on_the_hour(
    app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch, age: str
) -> None:
    hour = hour_of(utcnow()) - 4 * HOUR
    monkeypatch.setattr("app.listing.utcnow", lambda: hour + 2.99 * HOUR)
    put(app, row("before", created_at=hour - timedelta(microseconds=1)), row("first", created_at=hour))
    assert shown(viewer.get(f"/logs?since={age}").text) == ["first"]
    assert shown(viewer.get(f"/logs?until={age}").text) == ["before"]


def test_a_shorter_age_is_exact(app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    now = hour_of(utcnow()) - 0.1 * HOUR
    monkeypatch.setattr("app.listing.utcnow", lambda: now)
    start = now - timedelta(minutes=59)
    put(app, row("before", created_at=start - timedelta(microseconds=1)), row("first", created_at=start))
    assert shown(viewer.get("/logs?since=59m").text) == ["first"]
    assert shown(viewer.get("/logs?until=59m").text) == ["before"]


def test_without_until_the_page_ends_now(app: Flask, viewer: FlaskClient) -> None:
    put(app, row())
    page = viewer.get("/logs?since=2h").text
    assert re.search(r"<span>now</span>\s*</figcaption>", page)
    assert "data-news" in page


def bars_of(page: str) -> list[tuple[str, str, dict[str, int]]]:
    """Return the address of each bar of the histogram, its beginning, and its number of rows of each level."""
    found = re.findall(r'href="([^"]*)" tabindex="-1" aria-label="(\d\d \w+ \d\d:\d\d) – \d\d:\d\d UTC([^"]*)"', page)
    return [
        (unescape(address), start, {level: int(count) for count, level in re.findall(r", (\d+) (\w+)", counts)})
        for address, start, counts in found
    ]


def exported(viewer: FlaskClient, address: str) -> list[dict[str, Any]]:
    """Return all rows of a page's filter."""
    return [json.loads(line) for line in viewer.get(address.replace("/logs", "/logs.jsonl", 1)).text.splitlines()]


@pytest.mark.parametrize(("since", "hours"), [(10, 1), (4 * 24, 2), (7 * 24, 24), (12 * 24, 24)])
def test_a_bar_leads_to_its_own_rows(app: Flask, viewer: FlaskClient, since: int, hours: int) -> None:
    hour = hour_of(utcnow())
    just = timedelta(microseconds=1)
    places = [hour - number * HOUR for number in range(1, 300, 7)] + [hour.replace(hour=0) - 24 * HOUR]
    put(
        app,
        *(
            row(created_at=place + step, level=30 + number % 3 * 10, logger=f"shop{number % 2}")
            for number, place in enumerate(places)
            for step in (-just, timedelta(), HOUR / 2)
        ),
    )
    for query in ("", "&level=ERROR&logger=shop1", f"&until={at(hour - 4 * HOUR)}", f"&until={at(hour - 5 * HOUR)}"):
        address = f"/logs?since={at(hour - since * HOUR)}{query}"
        page = viewer.get(address).text
        bars = bars_of(page)
        rows = exported(viewer, address)
        assert f"<strong>{len(rows)}</strong> row" in page
        assert sum(sum(levels.values()) for _, _, levels in bars) == len(rows)
        assert {int(start[-5:-3]) % hours for _, start, _ in bars[1:]} == {0}, "they go by the clock"
        for number, (leads_to, _, levels) in enumerate(bars):
            if levels or number in (0, len(bars) - 1):
                assert Counter(each["level_name"] for each in exported(viewer, leads_to)) == levels
                assert f"<strong>{sum(levels.values())}</strong> row" in viewer.get(leads_to).text


def test_a_row_that_nobody_logged_says_what_the_exception_says(app: Flask, viewer: FlaskClient) -> None:
    failed = {"exception": "OutOfTea", "exception_text": "none\nleft", "method": "GET", "path": "/tea"}
    put(app, row("Exception on /tea [GET]", **failed), row("Tea failed", **failed))
    assert shown(viewer.get("/logs").text) == ["Tea failed", "none"]


def test_a_bar_ends_before_the_next_begins(app: Flask, viewer: FlaskClient) -> None:
    hour = hour_of(utcnow() - 5 * HOUR)
    minute = timedelta(minutes=1)
    put(app, *(row(f"in {number}", created_at=hour + number * minute) for number in range(3)))
    put(app, *(row(f"after {number}", created_at=hour + HOUR + number * minute) for number in range(7)))
    (address,) = (address for address, _, levels in bars_of(viewer.get("/logs").text) if levels == {"ERROR": 3})
    page = viewer.get(address).text
    assert shown(page) == ["in 2", "in 1", "in 0"]
    assert [(start, levels) for _, start, levels in bars_of(page)] == [(f"{hour:%d %b %H:%M}", {"ERROR": 3})]
    assert "<strong>3</strong>" in page
    assert ">ERROR 3</a>" in page
    assert chips(viewer.get(f"{address}&logger=tea").text)["shop"][1] == "3"
    assert re.search(rf'title="{hour + HOUR:%Y-%m-%d %H:%M:%S} UTC">[^<]*</time></span>\s*</figcaption>', page)
    page = viewer.get(f"/logs?since={at(hour + HOUR)}&until={at(hour + HOUR)}").text
    assert shown(page) == []
    assert "<strong>0</strong>" in page
    assert "<svg" not in page


def test_a_clock_that_is_ahead_has_its_rows_counted(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("now", age=timedelta()), row("ahead", age=-30 * HOUR))
    page = viewer.get("/logs?since=3h").text
    assert shown(page) == ["ahead", "now"]
    assert "<strong>2</strong>" in page
    assert "ERROR 2</a>" in page
    assert [levels for _, _, levels in bars_of(page) if levels] == [{"ERROR": 1}]


def test_around_an_old_row_there_are_older_and_newer_ones(app: Flask, viewer: FlaskClient) -> None:
    ids = put(app, *(row(f"m{number}", age=(200 - number) * HOUR) for number in range(120)))
    page = viewer.get(f"/logs?around={ids[60]}").text
    assert shown(page) == [f"m{number}" for number in range(85, 35, -1)]
    assert shown(viewer.get(links(page)["Older"]).text) == [f"m{number}" for number in range(35, -1, -1)]
    assert shown(viewer.get(links(page)["Newer"]).text) == [f"m{number}" for number in range(119, 85, -1)]


MISTAKES = (
    "since=banana",
    "until=99999999d",
    "level=9x",
    "before=1-x",
    "after=banana",
    "around=x",
    "around=12345",
    "around=" + "x" * 10_000,
    "user=me",
    "q=" + "x" * 10_000,
    "since=1h&until=2h",
)


def test_mistakes_are_named(viewer: FlaskClient) -> None:
    for query in MISTAKES:
        page = viewer.get(f"/logs?{query}")
        answer = viewer.get(f"/logs.json?{query}")
        assert page.status_code == answer.status_code == 400, query
        assert "not understood" in page.text
        mistake = answer.get_json()["error"]
        assert len(mistake) < 250
        assert "damaged" in mistake or mistake.startswith(query.partition("=")[0]), query
    problems_page = viewer.get("/logs/problems?before=" + "9" * 10_000)
    assert problems_page.status_code == 400
    assert "damaged" in problems_page.text


def test_a_level_stays_chosen_however_it_was_written(viewer: FlaskClient) -> None:
    for term, chosen in {"Error": "Errors", "040": "Errors", "": "All levels"}.items():
        page = viewer.get(f"/logs?level={term}", follow_redirects=True).text
        assert [label for label, (_, _, is_current) in chips(page).items() if is_current] == [chosen], term
    assert "<bdi>Level 25 and above</bdi>" in viewer.get("/logs?level=25").text


def test_levels_are_chips_with_short_names(app: Flask, viewer: FlaskClient) -> None:
    put(app, row(level=30), row(level=40), row(level=50), row(level=20))
    page = viewer.get("/logs?logger=shop&level=WARNING").text
    found = chips(page)
    assert [*found] == ["All levels", "Warnings", "Errors", "Critical", "shop"]
    assert found["All levels"] == ("/logs?logger=shop", "4", False)
    assert found["Warnings"] == ("/logs?logger=shop&level=WARNING", "3", True)
    assert found["Errors"] == ("/logs?logger=shop&level=ERROR", "2", False)
    assert found["Critical"][1] == "1"
    assert 'title="ERROR and above">Errors<span class="ui-hidden">, ERROR and above</span>' in page


def test_the_loggers_with_most_rows_are_chips(app: Flask, viewer: FlaskClient) -> None:
    """A list has the other loggers; the form keeps the chosen one, whether it is a chip or in the list."""
    for number, name in enumerate(("a", "b", "c", "d", "e<"), 1):
        put(app, *(row(logger=name, level=20 + number % 2 * 20) for _ in range(number)))

    def choices(query: str) -> tuple[list[tuple[str, str | None]], list[str], dict[str, bool]]:
        page = viewer.get(f"/logs?{query}").text
        options = re.findall(r"<option [^>]*>([^<]*)</option>", page)
        sent = {
            unescape(name): bool(selected) for name, selected in re.findall(r'<option value="(.+?)"( selected)?>', page)
        }
        return [(label, entry[1]) for label, entry in chips(page).items()][4:], options, sent

    assert choices("") == (
        [("e&lt;", "5"), ("d", "4"), ("c", "3")],
        ["All loggers", "b (2)", "a (1)"],
        {"b": False, "a": False},
    )
    loggers, options, sent = choices("logger=e%3C")
    assert chips(viewer.get("/logs?logger=e%3C").text)["e&lt;"] == ("/logs", "5", True)
    assert chips(viewer.get("/logs?logger=e%3C").text)["d"] == ("/logs?logger=d", "4", False)
    assert sent == {"e<": True, "b": False, "a": False}
    assert choices("logger=a")[2] == {"a": True, "b": False}
    loggers, options, sent = choices("level=ERROR")
    assert (loggers, options) == ([("e&lt;", "5"), ("c", "3"), ("a", "1")], [])
    assert (
        '<input type="hidden" name="logger" value="c" form="log-find">' in viewer.get("/logs?level=ERROR&logger=c").text
    )
    assert choices("q=cold&logger=a") == ([], ["All loggers", "a"], {"a": True})


def test_chips_take_one_filter_away(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("a", **ERROR))
    page = viewer.get("/logs?level=ERROR&logger=shop").text
    filters = re.findall(r'href="([^"]*)"><[^>]*>Remove the filter</span> <[^>]*>(\w+)<', page)
    assert filters == [("/logs?logger=shop", "level"), ("/logs?level=ERROR", "logger")]
    assert "ERROR and above" in page
    page = viewer.get("/logs?since=24h&problem=1").text
    filters = re.findall(r'href="([^"]*)"><[^>]*>Remove the filter</span> <[^>]*>(\w+)<', page)
    assert filters == [("/logs?problem=1", "since"), ("/logs", "problem")]


def test_totals_and_facets_are_exact(app: Flask, viewer: FlaskClient) -> None:
    hour = hour_of(utcnow()) - HOUR
    moments = [hour - number * HOUR / 12 for number in range(600)]
    loggers = ("early", "late")
    rows = [
        row(created_at=moment, level=30 if number % 3 else 40, logger=loggers[moment > hour - 12 * HOUR])
        for number, moment in enumerate(moments)
    ]
    put(app, *rows)
    for since, until, level in ((1, 0, 30), (5, 1, 30), (24, 12, 40), (48, 3, 30), (48, 0, 40)):
        start, end = hour - since * HOUR, hour - until * HOUR
        inside = [each for each in rows if start <= each["created_at"] < end]
        page = viewer.get(f"/logs?since={at(start)}&until={at(end)}&level={level}").text
        assert f"<strong>{sum(each['level'] >= level for each in inside)}</strong> row" in page
        legend = dict(re.findall(r'<a class="ui-\w+" href="[^"]*">(\w+) ([^<]*)</a>', page))
        names = {30: "WARNING", 40: "ERROR"}
        assert legend == {name: str(sum(each["level"] == n for each in inside)) for n, name in names.items()}
        facets = {label: number for label, (_, number, _) in chips(page).items() if label in loggers}
        shown_loggers = Counter(each["logger"] for each in inside if each["level"] >= level)
        # One logger alone is no choice.
        assert facets == (
            {name: str(number) for name, number in shown_loggers.items()} if len(shown_loggers) > 1 else {}
        )


def test_where_a_filter_takes_a_part_of_an_hour_no_number_is_claimed(app: Flask, viewer: FlaskClient) -> None:
    hour = hour_of(utcnow()) - 2 * HOUR
    minute = timedelta(minutes=1)
    put(app, *(row(f"{minutes}", created_at=hour + minutes * minute) for minutes in (0, 10, 40, 70, 100)))
    half, later = hour + 30 * minute, hour + 80 * minute
    queries = {
        f"since={at(half)}": ["100", "70", "40"],
        f"since={at(hour)}&until={at(later)}": ["70", "40", "10", "0"],
        f"since={at(half)}&until={at(later)}": ["70", "40"],
    }
    for query, expected in queries.items():
        page = viewer.get(f"/logs?{query}").text
        assert shown(page) == expected
        assert not re.search(r"<strong>[^<]*</strong> row", page), query
        assert ">ERROR</a>" in page
        assert chips(viewer.get(f"/logs?{query}&logger=tea").text)["shop"][1] is None
        # Each bar stands for a whole hour and links to it.
        counted = [levels for _, _, levels in bars_of(page)][:2]
        assert counted == [{"ERROR": 3}, {"ERROR": 2}], query
        assert shown(viewer.get(bars_of(page)[0][0]).text) == ["40", "10", "0"]


def test_the_histogram_of_weeks_goes_by_the_day(app: Flask, viewer: FlaskClient) -> None:
    rows = [
        row(created_at=utcnow() - number * 5 * HOUR, level=30 + number % 3 * 10, logger=f"shop{number % 2}")
        for number in range(60)
    ]
    put(app, *rows)
    first = hour_of(utcnow()) - 12 * 24 * HOUR
    for query, level, logger in (("", 0, "shop"), ("&level=ERROR&logger=shop1", 40, "shop1")):
        kept = [each for each in rows if each["level"] >= level and each["logger"].startswith(logger)]
        expected = Counter(f"{each['created_at']:%d %b}" for each in kept if each["created_at"] >= first)
        bars = bars_of(viewer.get(f"/logs?since={at(first)}{query}").text)
        assert {start[-5:] for _, start, _ in bars[1:]} == {"00:00"}
        assert bars[0][1] == f"{first:%d %b %H:%M}"
        assert +Counter({start[:-6]: sum(levels.values()) for _, start, levels in bars}) == expected


def test_total_is_capped_and_absent_where_the_counts_lack_the_filter(app: Flask, viewer: FlaskClient) -> None:
    put(app, *(row(f"m{number}", age=2 * HOUR) for number in range(5)))
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.exec_driver_sql("UPDATE log_hour SET count = 20000")
    assert "<strong>10,000+</strong>" in viewer.get("/logs").text
    searched = viewer.get("/logs?q=m").text
    assert "<strong>" not in searched
    assert "<svg" not in searched


def test_a_search_stops_and_goes_on(app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "SEARCH_ROWS", 20)
    ages = [number * timedelta(minutes=1) for number in range(36, 0, -1)]
    put(
        app,
        *(
            row("needle" if number in (1, 33) else "hay", age=age, level=30 + number % 3 * 10)
            for number, age in enumerate(ages)
        ),
    )
    for query, scans in {"q=needle": 2, "q=needle&level=WARNING": 8, "q=needle&logger=shop": 8}.items():
        first = viewer.get(f"/logs.json?{query}").get_json()
        assert [entry["message"] for entry in first["entries"]] == ["needle"]
        assert first["searched_to"]
        assert "Searched back to" in viewer.get(f"/logs?{query}").text
        found, address, pages = 0, f"/logs.json?{query}", 0
        while address:
            page = viewer.get(address).get_json()
            found, address, pages = found + len(page["entries"]), page["older"], pages + 1
        assert (found, pages) == (2, scans), query
    nothing = viewer.get("/logs?q=nothing").text
    assert "Nothing found so far" in nothing
    assert "Continue" in nothing


def test_a_search_tells_which_way_it_went(app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "SEARCH_ROWS", 10)
    put(app, *(row(age=number * timedelta(minutes=1)) for number in range(40, 0, -1)))
    page = viewer.get("/logs?q=needle").text
    assert "Searched back to" in page
    assert "Continue →" in page
    older = unescape(re.findall(r'rel="next" href="([^"]*)"', page)[0])
    twice = viewer.get(unescape(re.findall(r'rel="next" href="([^"]*)"', viewer.get(older).text)[0])).text
    page = viewer.get(unescape(re.findall(r'rel="prev" href="([^"]*)"', twice)[0])).text
    assert "Searched up to" in page
    assert "← Continue" in page
    assert "Continue →" not in page


def test_a_search_repeats_nothing_while_somebody_writes(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row arrives between the search and the query for where it ended, which are two statements."""
    monkeypatch.setattr(paging, "SEARCH_ROWS", 10)
    rows = [row("needle" if number == 9 else "hay", age=(60 - number) * timedelta(minutes=1)) for number in range(60)]
    put(app, *rows)
    with app.app_context():
        engine = db.engines["log"]

        @event.listens_for(engine, "before_cursor_execute")
        def write_meanwhile(_c: object, _u: object, statement: str, parameters: object, *_: object) -> None:
            if "OFFSET" in statement and "log_entry" in statement:
                put(app, *(row("hay") for _ in range(3)))

        found = [entry.message for entry in export.entries(Filters(q="needle"))]
        event.remove(engine, "before_cursor_execute", write_meanwhile)
    assert found == ["needle"]


def test_the_queries_of_a_page_see_one_view(app: Flask) -> None:
    put(app, row("before"))
    with app.app_context(), queries.reading() as log:
        assert [each.message for each in queries.page(log, Filters()).entries] == ["before"]
        put(app, row("meanwhile"))
        assert [each.message for each in queries.page(log, Filters()).entries] == ["before"]


def test_three_kinds_of_nothing(app: Flask, viewer: FlaskClient) -> None:
    assert "Nothing has been logged yet" in viewer.get("/logs").text
    put(app, row(age=50 * HOUR))
    assert "A quiet day" in viewer.get("/logs").text
    assert "No row matches" in viewer.get("/logs?level=CRITICAL&since=7d").text
    everything = links(viewer.get("/logs?q=cold").text)["at"]
    assert everything == "/logs?since=all&q=cold"
    assert shown(viewer.get(everything).text) == ["the coffee is cold"]
    assert "Look back" not in viewer.get("/logs?q=zebra&since=all").text


def test_detail(app: Flask, viewer: FlaskClient) -> None:
    before, here, after = put(app, *(row(f"m{number}", age=(9 - number) * HOUR, **ERROR) for number in range(3)))
    page = viewer.get(f"/logs/{here}").text
    assert f'rel="prev" data-key="[" href="/logs/{before}"' in page
    assert f'rel="next" data-key="]" href="/logs/{after}"' in page
    assert re.search(r"<details open>\s*<summary><code[^>]*>[^<]*app/pot.py:12", page)
    assert re.search(r'<details class="log-library">\s*<summary><[^>]*>1 library frame<', page)
    assert "flask/app.py:9" in page
    assert re.search(r'ui-here ui-red"><span>12</span>    raise OutOfCoffee', page)
    for fact in ("/pour", "shop.pour", "192.0.2.7", "r-1", "web-1", "4711", "second floor", "app.pot:12 pour"):
        assert fact in page
    assert "All of this request (3)" in page
    around = viewer.get(f"/logs?around={here}").text
    assert shown(around) == ["m2", "m1", "m0"]
    assert around.count('aria-current="true">\n      <td') == 1
    assert viewer.get("/logs/999999999").status_code == 404
    assert viewer.get(f"/logs/{10**30}").status_code == 404
    assert viewer.get("/logs/999999999.json").status_code == 404


def test_extra_values_are_as_json_has_them(app: Flask, viewer: FlaskClient) -> None:
    """A value is on one line, unless it has parts."""
    [number] = put(app, row(extra={"text": "3", "number": 3, "truth": True, "nothing": None, "list": [1]}))
    page = viewer.get(f"/logs/{number}").text
    assert re.findall(r"<dd><bdi>(\w+)</bdi></dd></div>", below(page, "Extra")) == ["3", "3", "true", "null"]
    assert below(page, "Extra").count("<pre") == 1


def below(page: str, heading: str) -> str:
    """Return the part of a page below a heading."""
    found = re.search(rf"<h2>{heading}.*?</section>", page, re.DOTALL)
    return found[0] if found else ""


def test_a_row_is_shown_among_those_of_its_request(app: Flask, viewer: FlaskClient) -> None:
    asked = {"request_id": "r-1", "method": "GET", "path": "/pour"}
    _, here, _ = put(
        app,
        row("first", age=3 * HOUR, **asked),
        row("second", age=2 * HOUR, query="cups=2", **asked),
        row("third", age=HOUR, **ERROR | asked),
    )
    put(app, row("of another", age=2 * HOUR, request_id="r-2"))
    page = viewer.get(f"/logs/{here}").text
    did = below(page, "What this request did")
    assert re.findall(r"<bdi>(.*?)</bdi>", did) == ["GET /pour?cups=2", "first", "second", "third"]
    assert re.search(rf'aria-current="true">(?:(?!<li).)*href="/logs/{here}"', did, re.DOTALL)
    assert below(page, "Around this moment") == ""


def test_a_row_that_is_alone_is_shown_among_those_of_its_time(app: Flask, viewer: FlaskClient) -> None:
    put(app, *(row(f"m{number}", age=(40 - number) * HOUR, level=10 + number) for number in range(20)))
    [job] = put(app, row("nightly", age=29.5 * HOUR, request_id="job:nightly", user_id=5, fingerprint="1-job"))
    put(app, row("another night", age=HOUR, request_id="job:nightly", fingerprint="1-job"))
    with app.app_context():
        decisions.decide([problem_id(app)], decisions.parse_change("muted"), decisions.Who())
    page = viewer.get(f"/logs/{job}").text
    around = [f"m{number}" for number in range(15, 10, -1)], [f"m{number}" for number in range(10, 6, -1)]
    assert shown(below(page, "Around this moment")) == [*around[0], "nightly", *around[1]]
    assert f'<tr id="row-{job}" aria-current="true">' in page
    assert "What this request did" not in page
    assert "All of this request (2)" in page
    [asked] = put(app, row("alone", request_id="r-1", method="GET", path="/"))
    page = viewer.get(f"/logs/{asked}").text
    assert "It logged nothing else." in page
    assert "alone" in shown(below(page, "Around this moment"))
    [failed] = put(app, row(**ERROR | {"request_id": "r-2"}))
    assert below(viewer.get(f"/logs/{failed}").text, "Around this moment") == "", "its traceback says enough"


def test_frames_that_repeat_are_shown_once(app: Flask, viewer: FlaskClient) -> None:
    own = {"file": "/srv/shop/app/pot.py", "line": 3, "function": "pour", "project": True, "cycle": 1, "repeated": 979}
    library = {"file": "/lib/json.py", "line": 9, "function": "dump", "project": False, "cycle": 3, "repeated": 12}
    again = own | {"repeated": 1}
    [number] = put(app, row(frames=[{"class": "RecursionError", "text": "", "frames": [own, library, again]}]))
    page = viewer.get(f"/logs/{number}").text
    assert "The next frame came 979 more times." in page
    assert "The next 3 frames came 12 more times." in page
    assert "The next frame came 1 more time." in page


def test_json_has_every_column(app: Flask, viewer: FlaskClient) -> None:
    (here,) = put(app, row("m", **ERROR))
    entry = viewer.get(f"/logs/{here}.json").get_json()
    assert entry == viewer.get("/logs.json").get_json()["entries"][0]
    assert {name: entry[name] for name in ("message", "level", "level_name")} == {
        "message": "m",
        "level": 40,
        "level_name": "ERROR",
    }
    assert entry["frames"] == ERROR["frames"]
    assert entry["created_at"].endswith("+00:00")


def test_problems_are_resolved_muted_and_reopened(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("m", age=HOUR, **ERROR), row("m", age=3 * HOUR, **ERROR))
    page = viewer.get("/logs/problems").text
    assert shown(page) == ["m"]
    assert "2 records in 30 days" in page
    address = f"/logs/problems/{problem_id(app)}"
    token = csrf_token(viewer.get(address).text)

    assert viewer.post(address, data={"status": "resolved"}).status_code == 400, "without a token"
    assert viewer.get(f"{address}?status=resolved").status_code == 200
    assert status(app) == "open"
    assert viewer.post(address, data={"status": "gone", "csrf_token": token}).status_code == 400
    answer = viewer.post(address, data={"status": "resolved", "csrf_token": token, "list": "open"})
    assert (answer.status_code, answer.location) == (303, "/logs/problems?status=open")
    assert status(app) == "resolved"
    assert shown(viewer.get("/logs/problems").text) == []
    assert shown(viewer.get("/logs/problems?status=resolved").text) == ["m"]
    put(app, row("m", **ERROR))
    assert status(app) == "resolved", "that record is a minute older than the decision"
    put(app, row("m", age=-timedelta(seconds=1), **ERROR))
    assert status(app) == "open", "it recurred"
    viewer.post(address, data={"status": "muted", "csrf_token": token})
    put(app, row("m", **ERROR))
    assert status(app) == "muted"
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert viewer.post(address, data={"status": "open", "csrf_token": token}, headers=foreign).status_code == 403
    missing = viewer.post("/logs/problems/99", data={"status": "open", "csrf_token": token})
    assert missing.status_code == 404
    assert viewer.get("/logs/problems?status=odd").status_code == 400
    assert viewer.get("/logs/problems/99").status_code == 404


def status(app: Flask) -> str | None:
    with app.app_context(), queries.reading() as log:
        return log.scalar(select(LogProblem.status).where(LogProblem.fingerprint == "1-shop"))


def test_why_rows_are_one_problem(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("m", **ERROR), row("tea for 2", fingerprint="1-tea", title="tea for %s"))
    page = viewer.get(f"/logs/problems/{problem_id(app)}").text
    assert "app/pot.py, in pour" in page
    assert "shop.OutOfCoffee" in page
    assert "tea for %s" in viewer.get(f"/logs/problems/{problem_id(app, '1-tea')}").text


def test_problems_go_by_pages(app: Flask, viewer: FlaskClient) -> None:
    same = utcnow() - HOUR
    put(app, *(row(f"g{number:02}", fingerprint=f"1-{number:02}", created_at=same) for number in range(60)))
    found, address = [], "/logs/problems?status=all"
    while address:
        page = viewer.get(address).text
        found += shown(page)
        older = re.search(r'rel="next" href="([^"]*)"', page)
        address = older[1].replace("&amp;", "&") if older else ""
    assert sorted(found, reverse=True) == found
    assert len(found) == 60
    assert viewer.get("/logs/problems?before=banana").status_code == 400


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31mred\x1b[0m \x07 \x9b2J",
    "abc\u202egnp.exe\u2066",
    "x" * 1_000_000,
    "",
    " \n\n",
    "'; DROP TABLE log_entry; --",
]


def test_hostile_rows_are_inert(app: Flask, viewer: FlaskClient) -> None:
    for number, text in enumerate(HOSTILE):
        check_inert(app, viewer, text, f"1-{number}")


def check_inert(app: Flask, viewer: FlaskClient, text: str, fingerprint: str) -> None:
    deep: object = text
    for _ in range(60):
        deep = {text[:50] or "empty": [deep]}
    frames = [
        {
            "class": text[:400],
            "text": text,
            "frames": [
                {"file": text[:400], "line": 1, "function": text[:100], "project": True, "first": 1, "source": [text]}
            ],
        }
    ]
    hostile: dict[str, Any] = {
        "logger": text[:200],
        "exception": text[:400],
        "trace": text,
        "frames": frames,
        "fingerprint": fingerprint,
        "path": text,
        "method": text[:30],
        "request_id": text[:100],
        "extra": {"deep": deep, text[:40] or "empty": text},
        "source": text[:200],
        "title": text[:500],
    }
    (here,) = put(app, row(text, **hostile))
    addresses = ["/logs", f"/logs/{here}", "/logs/problems", f"/logs/problems/{problem_id(app, fingerprint)}"]
    for address in addresses:
        answer = viewer.get(address)
        assert answer.status_code == 200, address
        # A value that goes into a filter again is unchanged in the attribute.
        page = re.sub(r' value="[^"]*"', "", answer.text)
        for live in ("<script>alert", "<img src=x", "\x1b", "\x9b", "\u202e", "\u2066", ">49"):
            assert live not in page, (address, live)
    assert viewer.get(f"/logs/{here}.json").get_json()["message"] == text
    for form in ("csv", "jsonl"):
        assert viewer.get(f"/logs.{form}").status_code == 200


@pytest.mark.parametrize("sign", [*"=+-@\t\r\n", *map(chr, (0xFF1D, 0xFF0B, 0xFF0D, 0xFF20))], ids=ascii)
def test_no_cell_is_a_formula(app: Flask, viewer: FlaskClient, sign: str) -> None:
    """Excel treats the wide forms of East Asia like the signs themselves, and also looks behind a line break."""
    put(app, row(f"{sign}1+1"))
    cell = next(csv.DictReader(io.StringIO(viewer.get("/logs.csv").text, newline="")))["message"]
    assert cell == f"'{sign}1+1"


def test_exports_follow_the_filter(app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.dblog.viewer.export.EXPORT_ROWS", 4)
    put(app, *(row(f"m{number}", age=number * HOUR, **ERROR) for number in range(9, 0, -1)), row("=1+1", logger="tea"))
    expected = [f"m{number}" for number in range(1, 10)]
    answer = viewer.get("/logs.jsonl?logger=shop")
    assert answer.mimetype == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["message"] for line in lines] == expected
    assert lines[0]["extra"] == ERROR["extra"]
    answer = viewer.get("/logs.csv?logger=shop")
    assert "attachment" in answer.headers["Content-Disposition"]
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["message"] for line in table] == expected
    assert json.loads(table[0]["frames"]) == ERROR["frames"]
    assert next(csv.DictReader(io.StringIO(viewer.get("/logs.csv?logger=tea").text)))["message"] == "'=1+1"
    assert viewer.get("/logs.csv?since=banana").status_code == 400
    assert viewer.get("/logs.csv?q=nothing").text.count("\n") == 1


def test_an_export_reads_no_further_than_it_is_read(
    app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.dblog.viewer.export.EXPORT_ROWS", 4)
    put(app, *(row(f"m{number}", age=number * HOUR) for number in range(20, 0, -1)))
    pages: list[int] = []

    def counted(*arguments: Any, size: int, **others: Any) -> queries.Page:
        pages.append(size)
        return queries.page(*arguments, size=size, **others)

    monkeypatch.setattr("app.dblog.viewer.export.page", counted)
    for form in ("csv", "jsonl"):
        pages.clear()
        answer = viewer.get(f"/logs.{form}")
        chunks = iter(answer.response)
        for _ in range(3):
            next(chunks)
        assert pages == [4], form
        assert len([*chunks]) == (18 if form == "csv" else 17)
        assert pages == [4] * 5
        answer.close()


def test_news(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("old"))
    page = viewer.get("/logs?level=ERROR").text
    (address,) = re.findall(r'data-news="([^"]*)"', page)
    address = address.replace("&amp;", "&")
    assert viewer.get(address).get_json() == {"rows": 0}
    put(app, row("new", age=timedelta()), row("quiet", age=timedelta(), level=30))
    assert viewer.get(address).get_json() == {"rows": 1}


def test_rows_of_other_times(make_app: Callable[..., Flask], app: Flask, admin: User) -> None:
    """A row from the future hides no row that arrives later, and the links beside a row of any year work."""
    viewer = make_app(LOG_RETENTION_DAYS=0).test_client()
    login(viewer, admin)
    put(app, *(row(f"{year}", created_at=datetime(year, 6, 1, tzinfo=UTC)) for year in (1000, 1969, 2100, 9999)))
    page = viewer.get("/logs?level=ERROR&since=all").text
    (address,) = re.findall(r'data-news="([^"]*)"', page)
    put(app, row("new", age=timedelta()), row("late", age=timedelta(hours=5)), row("quiet", level=30))
    assert viewer.get(address.replace("&amp;", "&")).get_json() == {"rows": 2}
    for year in (1000, 1969, 2100, 9999):
        (entry,) = viewer.get(f"/logs.json?since=all&q={year}").get_json()["entries"]
        cursor = str(Cursor(datetime(year, 6, 1, tzinfo=UTC), entry["id"]))
        older = viewer.get(f"/logs.json?since=all&before={cursor}").get_json()
        newer = viewer.get(f"/logs.json?since=all&after={cursor}").get_json()
        assert len(older["entries"]) + len(newer["entries"]) == 6
        for address in (f"/logs?since=all&before={cursor}", f"/logs/{entry['id']}", f"/logs?around={entry['id']}"):
            assert viewer.get(address).status_code == 200
        runner = app.test_cli_runner()
        assert runner.invoke(args=["log", "show", str(entry["id"])]).exit_code == 0
    assert runner.invoke(args=["log", "list"]).exit_code == 0


def test_coloured_level_names(app: Flask, viewer: FlaskClient) -> None:
    before = logging.getLevelName(40)
    logging.addLevelName(40, "\x1b[1;31mERROR\x1b[0m\x07")
    try:
        (number,) = put(app, row())
        assert '"level_name":"ERROR\\\\x07"' in viewer.get("/logs.json").text
        for address in ("/logs", f"/logs/{number}", f"/logs/{number}.json", "/logs/problems", "/logs.jsonl"):
            page = viewer.get(address).text
            assert "ERROR" in page
            assert "\x1b" not in page
            assert "1;31m" not in page
    finally:
        logging.addLevelName(40, before)


def test_status_tells_how_many_rows_are_too_many(app: Flask, viewer: FlaskClient) -> None:
    put(app, *(row() for _ in range(1_203)))
    for max_rows, above in ((3, "1,200"), (0, "0"), (5_000_000, "0")):
        app.config["LOG_MAX_ROWS"] = max_rows
        said = f"<dt>Rows above LOG_MAX_ROWS</dt><dd>{above}</dd>" in viewer.get("/logs/status").text
        assert said == (above != "0"), max_rows


def test_styles_are_in_the_head_before_anything_is_painted(viewer: FlaskClient) -> None:
    head, _, body = viewer.get("/logs").text.partition("</head>")
    assert "log.css" in head
    assert "stylesheet" not in body


def test_missing_tables_name_the_command(make_app: Callable[..., Flask], app: Flask, viewer: FlaskClient) -> None:
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.exec_driver_sql("DROP TABLE log_entry")
    for address in ("/logs", "/logs/1", "/logs.csv"):
        answer = viewer.get(address)
        assert answer.status_code == 503, address
        assert "flask db upgrade" in answer.text
    assert "flask db upgrade" in viewer.get("/logs/status").text
    answer = viewer.get("/logs.json")
    assert answer.status_code == 503
    assert "flask db upgrade" in answer.get_json()["error"]


def refuse(dialect: Dialect, *_: object) -> None:
    raise dialect.loaded_dbapi.OperationalError("gone to lunch")


@contextmanager
def away(*engines: Engine) -> Iterator[None]:
    """Return the URLs of databases to which nobody can connect."""
    for engine in engines:
        event.listen(engine, "do_connect", refuse)
        close_connections(engine)
    yield
    for engine in engines:
        event.remove(engine, "do_connect", refuse)


def test_while_the_database_is_away(app: Flask, viewer: FlaskClient) -> None:
    with app.app_context():
        engine, engine_of_log = db.engine, db.engines["log"]
    app.extensions["dblog"].writer.flush(10)
    with away(engine_of_log):
        for number in range(3):
            app.logger.error("waiting %s", number)
        for address in ("/logs", "/logs/1", "/logs/problems", "/logs.csv"):
            answer = viewer.get(address)
            assert answer.status_code == 503, address
            assert "<strong>3</strong> records wait" in answer.text, address
        assert "gone to lunch" in answer.text
        assert viewer.get("/logs/status").status_code == 200
        answer = viewer.get("/logs.json")
        assert answer.status_code == 503
        assert answer.get_json()["records_waiting"] == 3
    with away(engine, engine_of_log):
        answer = viewer.get("/logs")
        assert answer.status_code == 503
        assert "<strong>3</strong> records wait" in answer.text
        assert "gone to lunch" not in answer.text, "nobody knows who this is"
        with viewer.get("/logs/static/log.css") as style:
            assert style.mimetype == "text/css"
        assert app.test_client().get("/logs").status_code == 302
    app.extensions["dblog"].writer.flush(10)
    assert shown(viewer.get("/logs").text) == ["waiting 2", "waiting 1", "waiting 0"]


def test_ten_viewers_and_a_writer(make_app: Callable[..., Flask], admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    # The test does not ask how long somebody waits, which depends on the machine, but that everybody's turn comes.
    def patient(url: str, *, for_log: bool = False) -> dict[str, Any]:
        return engine_options(url, for_log=for_log) | ({"pool_timeout": 300} if for_log else {})

    monkeypatch.setattr("app.database.engine_options", patient)
    monkeypatch.setattr(decisions, "DECIDE_SECONDS", 300.0)
    app = make_app()
    viewer = app.test_client()
    login(viewer, admin)
    put(app, *(row(f"m{number}", **ERROR) for number in range(200)))
    problem = f"/logs/problems/{problem_id(app)}"
    token = csrf_token(viewer.get(problem).text)
    cookie = viewer.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie
    stop, wrong = threading.Event(), []

    def view(number: int) -> None:
        client = app.test_client()
        client.set_cookie(cookie.key, cookie.value)
        for turn in range(12):
            for address in ("/logs", "/logs.json?level=ERROR", "/logs?q=nothing", "/logs/problems", "/logs/status"):
                answer = client.get(address)
                if answer.status_code != 200 or b"is locked" in answer.data:
                    wrong.append((address, answer.status))
            choice = ("resolved", "muted", "open")[(number + turn) % 3]
            answer = client.post(problem, data={"status": choice, "csrf_token": token})
            if answer.status_code != 303:
                wrong.append(("decide", answer.status))

    def write() -> None:
        while not stop.is_set():
            app.logger.error("written at full speed")

    writer = threading.Thread(target=write)
    viewers = [threading.Thread(target=view, args=(number,)) for number in range(10)]
    writer.start()
    for each in viewers:
        each.start()
    for each in viewers:
        each.join()
    stop.set()
    writer.join()
    assert wrong == []
