"""The search box recognises what people paste, and the form leads to the right rows."""

import re
from datetime import UTC, datetime, timedelta, timezone
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, update

from app.accounts.models import User
from app.database import db, utcnow
from app.dblog.models import MUTED, LogProblem, LogRelease
from app.dblog.viewer.filters import PARSERS
from app.dblog.viewer.search import ROW, Known, combine, in_utc, recognise, zone_of

from ..conftest import login
from .log_rows import ERROR, problem_id, put, row

NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
TOKYO = timezone(timedelta(hours=9))
OWN_ID = "0123456789abcdef" * 2
KNOWN = Known(
    request=lambda text: text in ("r-1", "job:nightly", "Root=1-67891233-abcdef012345678912345678"),
    logger=lambda text: text in ("app.shop.api", "shop"),
    release=lambda text: "9f2c1abdeadbeef" if len(text) >= 7 and "9f2c1abdeadbeef".startswith(text) else None,
    user=lambda text: {"ada": 17, "shop": 5}.get(text),
)


def around(moment: str) -> dict[str, str]:
    """Return the filters for five minutes before and after a time in UTC."""
    middle = datetime.fromisoformat(moment)
    since, until = (f"{middle + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}" for minutes in (-5, 5))
    return {"since": since, "until": until}


# Somebody types these in Tokyo, at three in the afternoon of a Friday.
MEANT: dict[str, dict[str, str]] = {
    "": {},
    "  ": {},
    "#4100": {ROW: "4100"},
    OWN_ID: {"request": OWN_ID},
    f" {OWN_ID}\t": {"request": OWN_ID},
    "r-1": {"request": "r-1"},
    "job:nightly": {"request": "job:nightly"},
    "Root=1-67891233-abcdef012345678912345678": {"request": "Root=1-67891233-abcdef012345678912345678"},
    "r-2": {"q": "r-2"},
    "request:r-2": {"request": "r-2"},
    "192.0.2.7": {"ip": "192.0.2.7"},
    "2001:DB8::1": {"ip": "2001:db8::1"},
    "[::1]": {"ip": "::1"},
    "/shop/orders": {"path": "/shop/orders"},
    "/": {"path": "/"},
    "POST /shop/orders": {"path": "/shop/orders"},
    "/shop/orders?page=2#top": {"path": "/shop/orders"},
    "https://shop.example/shop/orders?page=2": {"path": "/shop/orders"},
    "https://shop.example": {"path": "/"},
    "https://[": {"q": "https://["},
    "/ is full": {"q": "/ is full"},
    "user:17": {"user": "17"},
    "user:nobody": {"user": "nobody"},
    "@ada": {"user": "17"},
    "ada": {"user": "17"},
    "@property": {"q": "@property"},
    "17": {"q": "17"},
    "app.shop.api": {"logger": "app.shop.api"},
    "shop": {"logger": "shop"},
    "Logger:shop": {"logger": "shop"},
    "9f2c1ab": {"release": "9f2c1abdeadbeef"},
    "9f2c1": {"q": "9f2c1"},
    "release:v2": {"release": "v2"},
    "problem:3": {"problem": "3"},
    "level:error": {"level": "error"},
    "14:05": around("2026-11-27T05:05Z"),
    "15:05": around("2026-11-26T06:05Z"),
    "today 15:05": around("2026-11-27T06:05Z"),
    "yesterday 14:05": around("2026-11-26T05:05Z"),
    "Yesterday  14:05:30": around("2026-11-26T05:05:30Z"),
    "2026-11-26 14:05": around("2026-11-26T05:05Z"),
    "2026-11-26T14:05:02.114": around("2026-11-26T05:05:02Z"),
    "2026-11-26 14:05 UTC": around("2026-11-26T14:05Z"),
    "2026-11-26T14:05:00Z": around("2026-11-26T14:05Z"),
    "2026-11-26 14:05:02.114 UTC+5:30": around("2026-11-26T08:35:02Z"),
    "2026-11-26 14:05 UTC\N{MINUS SIGN}3": around("2026-11-26T17:05Z"),
    "2026-11-26": {"since": "2026-11-25T15:00:00Z", "until": "2026-11-26T15:00:00Z"},
    "yesterday": {"since": "2026-11-25T15:00:00Z", "until": "2026-11-26T15:00:00Z"},
    "25:05": {"q": "25:05"},
    "2026-02-30": {"q": "2026-02-30"},
    "0001-01-01 00:00": {"q": "0001-01-01 00:00"},
    "9999-12-31": {"q": "9999-12-31"},
    '"14:05"': {"q": "14:05"},
    "text:14:05": {"q": "14:05"},
    "user: not found": {"q": "user: not found"},
    "the coffee is cold": {"q": "the coffee is cold"},
    "a\0b": {"q": "a\0b"},
}


@pytest.mark.parametrize("typed", MEANT, ids=ascii)
def test_what_is_typed_is_recognised(typed: str) -> None:
    assert recognise(typed, KNOWN, NOW, TOKYO) == MEANT[typed]


@given(st.text(max_size=300) | st.from_regex(r"(today |\d{4}-\d\d-\d\d[ T])?\d{1,2}:\d\d(:\d\d)?( ?UTC[+-]\d{1,2})?"))
def test_any_text_is_something(text: str) -> None:
    """No text raises, every result is a filter, and no query is made for a text that cannot be a name."""
    asked: list[str] = []
    known = Known(*(lambda name: asked.append(name) for _ in range(4)))  # type: ignore[arg-type, func-returns-value]
    found = recognise(text, known, NOW, TOKYO)
    assert set(found) <= {*PARSERS, ROW}
    assert bool(found) == bool(text.strip())
    assert all(len(name) <= 200 and "\0" not in name for name in asked)


def test_the_zone_of_the_reader() -> None:
    assert zone_of("540") == TOKYO
    assert zone_of("-210").utcoffset(None) == timedelta(hours=-3.5)
    assert {zone_of(text) for text in ("", "9999", "x", "1e3", "\u0665")} == {UTC}
    assert in_utc("2026-11-26T14:05", TOKYO) == "2026-11-26T05:05:00Z"
    assert in_utc("2026-11-26T14:05Z", TOKYO) == "2026-11-26T14:05Z"
    assert in_utc("banana", TOKYO) == "banana"
    assert in_utc("0001-01-01T00:00", TOKYO) == "0001-01-01T00:00"


def test_what_is_precise_is_meant_alone() -> None:
    before = {"level": "ERROR", "since": "24h"}
    assert combine({"request": "r-1"}, before) == {"request": "r-1"}
    assert combine({"user": "7"}, before) == {"level": "ERROR", "user": "7"}
    assert combine({"q": "tea"}, before) == before | {"q": "tea"}
    assert combine({"since": "a", "until": "b"}, before) == {"level": "ERROR", "since": "a", "until": "b"}


# The form


@pytest.fixture
def viewer(client: FlaskClient, admin: User) -> FlaskClient:
    login(client, admin)
    return client


def leads_to(viewer: FlaskClient, query: str) -> str:
    answer = viewer.get(f"/logs?{query}")
    assert answer.status_code == 302
    return str(answer.location)


def shown(page: str) -> list[str]:
    return re.findall(r'class="ui-row"[^>]*>(?:<strong>[^<]*</strong> )?<bdi>(.*?)</bdi>', page)


def test_the_request_id_of_yesterdays_customer(app: Flask, viewer: FlaskClient) -> None:
    """The form sends a limit of one day; the row is older than that."""
    put(app, row("the card was refused", age=timedelta(hours=40), **ERROR), row("today"))
    page = viewer.get("/logs").text
    [form] = re.findall(r'<form class="log-find".*?</form>', page, re.DOTALL)
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)"(?: value="([^"]*)")?', form)) | {"find": "r-1"}
    assert sent == {"zone": "", "since": "24h", "find": "r-1"}
    answer = viewer.get("/logs", query_string=sent)
    assert answer.location == "/logs?request=r-1"
    found = viewer.get(answer.location).text
    assert shown(found) == ["the card was refused"]
    assert re.search(r'<a href="/logs\?q=r-1">Search for <bdi>r-1</bdi> as text instead</a>', found)


def test_a_text_from_the_problems_filters_them(app: Flask, viewer: FlaskClient) -> None:
    """The list's other filters stay as they are; an address leaves out defaults and empty values."""
    put(app, row("tea is cold", fingerprint="1-tea"), row("no coffee", fingerprint="1-coffee", place="brew · jug.py:1"))
    page = viewer.get("/logs/problems?status=all&sort=rows&level=ERROR&q=jug").text
    assert shown(page) == ["no coffee"]
    [form] = re.findall(r'<form class="log-find".*?</form>', page, re.DOTALL)
    assert 'action="/logs/problems"' in form
    assert 'name="find" id="log-search" value="jug"' in form
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)"(?: value="([^"]*)")?', form))
    assert sent == {"zone": "", "text": "jug", "status": "all", "sort": "rows", "level": "ERROR"}
    kept = "/logs/problems?status=all&sort=rows&level=ERROR"
    for typed, query in {"tea": "&q=tea", "jug": "&q=jug", "": "", " ": "", '"14:05"': "&q=14:05"}.items():
        assert viewer.get("/logs/problems", query_string=sent | {"find": typed}).location == kept + query, typed
    assert viewer.get("/logs/problems?find=level:info&zone=").location == "/logs/problems?level=info"
    assert viewer.get("/logs/problems?find=&zone=&level=WARNING&status=open").location == "/logs/problems"
    assert '<a href="/logs?find=jug">Search the rows for <bdi>jug</bdi></a>' in page
    nothing = viewer.get("/logs/problems?q=r-9").text
    assert '<a href="/logs?find=r-9">Search the rows</a>' in nothing


def test_what_is_recognised_from_the_problems_leads_to_its_rows(app: Flask, viewer: FlaskClient, user: User) -> None:
    """The list of rows does the same; the filters of problems are not those of rows."""
    [number] = put(app, row("the card was refused", age=timedelta(hours=40), **ERROR | {"user_id": user.id}))
    for typed, address in {
        "r-1": "/logs?request=r-1",
        f"#{number}": f"/logs/{number}",
        "192.0.2.7": "/logs?ip=192.0.2.7",
        "/pour": "/logs?path=/pour",
        user.username: f"/logs?user={user.id}",
        "shop": "/logs?logger=shop",
        "2026-11-26 14:05": "/logs?since=2026-11-26T05:00:00Z&until=2026-11-26T05:10:00Z&typed=2026-11-26+14:05",
        "problem:7": "/logs?problem=7",
    }.items():
        query = {"find": typed, "zone": "540", "status": "all", "sort": "rows", "level": "ERROR", "text": "tea"}
        assert viewer.get("/logs/problems", query_string=query).location == address, typed
    assert viewer.get("/logs/problems?find=%23999999").status_code == 404
    assert shown(viewer.get("/logs/problems?find=r-1", follow_redirects=True).text) == ["the card was refused"]


def test_the_lowest_level_of_problems_is_one_click_away(app: Flask, viewer: FlaskClient) -> None:
    page = viewer.get("/logs/problems?status=all&q=tea&level=ERROR").text
    [levels] = re.findall(r'aria-label="Lowest level">(.*?)</nav>', page, re.DOTALL)
    assert dict(re.findall(r'href="/logs/problems\?status=all([^"]*)".*?>(\w+)<', unescape(levels))) == {
        "&level=DEBUG&q=tea": "Debug",
        "&level=INFO&q=tea": "Info",
        "&q=tea": "Warnings",
        "&level=ERROR&q=tea": "Errors",
        "&level=CRITICAL&q=tea": "Critical",
    }
    assert re.findall(r'aria-current="true"[^>]*>(\w+)<', levels) == ["Errors"]
    assert re.search(r'aria-current="true">Level 35<', viewer.get("/logs/problems?level=35").text)


def test_a_number_may_be_an_accounts(app: Flask, viewer: FlaskClient, user: User) -> None:
    """A number is searched as text, and a link leads to the rows of the account with that number."""
    put(app, row(f"order {user.id} is late", age=timedelta(minutes=5)), row("theirs", user_id=user.id))
    hint = f"User {user.id} (<bdi>{user.username}</bdi>)</a>"
    page = viewer.get(f"/logs?q={user.id}&level=ERROR&since=1h").text
    assert shown(page) == [f"order {user.id} is late"]
    assert f'<a href="/logs?level=ERROR&amp;user={user.id}">{hint}' in page
    assert f'<a href="/logs?user={user.id}">{hint}' in viewer.get(f"/logs/problems?q={user.id}").text
    for text in ("9999", "9" * 200, f"{user.id}x", "tea", "\u0661"):
        for address in ("/logs", "/logs/problems"):
            assert "User " not in viewer.get(address, query_string={"q": text}).text, text


def test_a_row_by_its_number(app: Flask, viewer: FlaskClient) -> None:
    [number] = put(app, row())
    assert leads_to(viewer, f"find=%23{number}") == f"/logs/{number}"
    gone = viewer.get("/logs?find=%23999999")
    assert gone.status_code == 404
    assert "There is no row #999999, or not any more: rows go after 30 days." in gone.text
    assert viewer.get(f"/logs?find=%23{10**17}").status_code == 404


def test_what_is_known_is_found_by_its_name(app: Flask, viewer: FlaskClient, user: User) -> None:
    put(app, row("old", age=timedelta(days=3), user_id=user.id, logger="cafe", ip="192.0.2.9", path="/shop/orders/7"))
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(insert(LogRelease).values(release="9f2c1abd", first_seen=utcnow()))
    assert leads_to(viewer, f"find={user.username}&since=24h") == f"/logs?user={user.id}"
    assert leads_to(viewer, f"find=%40{user.username}&level=ERROR") == f"/logs?level=ERROR&user={user.id}"
    assert leads_to(viewer, "find=cafe&since=7d") == "/logs?since=7d&logger=cafe"
    assert leads_to(viewer, "find=9f2c1ab") == "/logs?release=9f2c1abd"
    assert leads_to(viewer, "find=192.0.2.9&since=1h") == "/logs?ip=192.0.2.9"
    assert leads_to(viewer, "find=/shop/orders&since=7d") == "/logs?since=7d&path=/shop/orders"
    for address in (f"/logs?user={user.id}", "/logs?ip=192.0.2.9", "/logs?path=/shop/orders&since=7d"):
        page = viewer.get(address).text
        assert shown(page) == ["old"], address
        assert "as text instead" in page
    assert f"{user.username} ({user.id})" in viewer.get(f"/logs?user={user.id}").text
    assert viewer.get("/logs?find=user:zed", follow_redirects=True).status_code == 400


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/shop/orders", ["below", "exact"]),
        ("/shop/orders/", ["below", "exact"]),
        ("/shop", ["longer", "below", "exact"]),
        ("/", ["other", "longer", "below", "exact"]),
        ("/sho_", []),
    ],
)
def test_a_path_and_what_is_below_it(app: Flask, viewer: FlaskClient, path: str, found: list[str]) -> None:
    paths = {"exact": "/shop/orders", "below": "/shop/orders/7", "longer": "/shop/ordersheet", "other": "/tea"}
    put(app, *(row(message, path=each) for message, each in paths.items()), row("none"))
    assert shown(viewer.get("/logs", query_string={"path": path}).text) == found


def test_times_are_meant_where_the_reader_is(app: Flask, viewer: FlaskClient) -> None:
    moment = datetime(2026, 11, 20, 5, 5, tzinfo=UTC)
    put(app, *(row(str(minutes), created_at=moment + timedelta(minutes=minutes)) for minutes in (-6, -5, 0, 4, 5)))
    address = leads_to(viewer, "find=2026-11-20+14:05&zone=540&since=24h&level=ERROR")
    times = "since=2026-11-20T05:00:00Z&until=2026-11-20T05:10:00Z"
    assert address == f"/logs?level=ERROR&{times}&typed=2026-11-20+14:05"
    page = viewer.get(address).text
    assert shown(page) == ["4", "0", "-5"]
    assert '<a href="/logs?q=2026-11-20+14:05">Search for' in unescape(page)
    assert 'data-clock="minute">2026-11-20 05:00 UTC</time>' in page
    assert f"/logs?{times}" in leads_to(viewer, "find=2026-11-20+05:05&zone=")
    picked = "find=&zone=540&from=2026-11-20T14:00&to=2026-11-20T14:10&since=7d"
    assert leads_to(viewer, picked) == f"/logs?{times}"
    assert leads_to(viewer, "find=&from=2026-11-20T14:00&until=1h") == "/logs?since=2026-11-20T14:00:00Z"


def test_text_is_found_in_what_is_said(app: Flask, viewer: FlaskClient) -> None:
    put(
        app,
        row("said", title="nothing", fingerprint="1-a"),
        row(
            "m", exception="shop.OutOfTea", fingerprint="1-b", title="tea < coffee", exception_text="no sai\u0111 left"
        ),
    )
    assert leads_to(viewer, "find=sai%C4%91&since=1h") == "/logs?since=1h&q=sai%C4%91"
    assert shown(viewer.get("/logs?q=sai%C4%91").text) == ["m"]
    page = viewer.get("/logs?q=tea").text
    assert re.search(r'<a href="/logs/problems/\d+"><bdi>tea &lt; coffee</bdi></a>', page)
    # A text stays a text when another logger is chosen.
    assert leads_to(viewer, "find=14:05&text=14:05&logger=shop") == "/logs?logger=shop&q=14:05"


def test_an_address_has_no_empty_parameters(viewer: FlaskClient) -> None:
    for address, clean in {
        "/logs?level=&q=&since=7d": "/logs?since=7d",
        "/logs?find=&zone=&since=24h&logger=": "/logs",
        "/logs?q=+": "/logs",
        "/logs/problems?status=": "/logs/problems",
        "/logs?level=&_external=1&q=%26": "/logs?_external=1&q=%26",
    }.items():
        answer = viewer.get(address)
        assert (answer.status_code, answer.location) == (302, clean), address
    assert viewer.get("/logs.json?level=").status_code == 200


def test_a_bad_filter_can_be_mended_where_it_is(viewer: FlaskClient) -> None:
    page = viewer.get("/logs?level=ERROR&since=ban%22ana").text
    assert '<input name="level" value="ERROR">' in page
    assert 'name="since" value="ban&#34;ana" aria-invalid="true" aria-describedby="mistake"' in page
    assert 'id="mistake" role="alert"><bdi>since: an age such as' in page


# The list


def test_a_row_says_what_where_and_who(app: Flask, viewer: FlaskClient, user: User) -> None:
    put(app, row("plain", logger="app.shop.api"), row("brewing", **ERROR | {"user_id": user.id}))
    page = viewer.get("/logs").text
    [error, plain] = re.findall(r'<tr id="row-\d+".*?</tr>', page, re.DOTALL)
    assert '<strong>OutOfCoffee</strong> <bdi>brewing</bdi></a> <span class="ui-muted">POST /pour</span>' in error
    assert "<code>pot.py:12</code>" in error
    assert f'<a class="ui-over" href="/logs?user={user.id}">{user.username}</a>' in error
    assert re.search(r'href="/logs/problems/\d+">×2<', error)
    assert "<code>app.shop.api</code>" in plain


def folds(page: str) -> list[tuple[str, str, list[str]]]:
    """Return the text of each row, the line below it if there is one, and the texts that are folded into it."""
    found = []
    for line in re.findall(r'<tr id="row-\d+".*?</tr>', page, re.DOTALL):
        first, *others = shown(line)
        summary = re.search(r"<summary>(.*?)</summary>", line, re.DOTALL)
        found.append((first, re.sub("<[^>]*>", "", summary[1]) if summary else "", others))
    return found


def at_minute(minute: int, **columns: Any) -> dict[str, Any]:
    """Return a row of a problem, so many minutes after noon on a day that has no other rows."""
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(minutes=minute)
    return row(f"m{minute}", created_at=moment, **columns)


def test_rows_of_one_problem_in_a_row_are_one_line(app: Flask, viewer: FlaskClient) -> None:
    """Three that follow are enough; a row of another problem, of another level or of another day ends the run."""
    put(
        app,
        *(at_minute(minute, ip=f"192.0.2.{minute % 4}") for minute in range(9)),
        at_minute(20, fingerprint="1-other"),
        *(at_minute(minute) for minute in range(30, 33)),
        at_minute(40, level=30),
        *(at_minute(minute, fingerprint="1-tea") for minute in (718, 719, 720, 721, 722, 723)),
    )
    address = "/logs?since=2026-11-20&until=2026-11-22"
    assert folds(viewer.get(address).text) == [
        ("m723", "and 3 more like it until 00:00", ["m722", "m721", "m720"]),
        ("m719", "", []),
        ("m718", "", []),
        ("m40", "", []),
        ("m32", "", []),
        ("m31", "", []),
        ("m30", "", []),
        ("m20", "", []),
        ("m8", "and 8 more like it until 12:00 · 4 addresses", [f"m{minute}" for minute in range(7, -1, -1)]),
    ]


def test_a_folded_row_has_time_text_link_and_whose_it_is(app: Flask, viewer: FlaskClient, user: User) -> None:
    """The line counts the users if there are several, and otherwise the addresses if there are several."""
    columns = {**ERROR, "exception_text": "none <left>"}
    ids = put(
        app,
        *(at_minute(minute, **columns | {"ip": f"192.0.2.{minute}", "fingerprint": "1-a"}) for minute in range(4)),
        *(at_minute(10 + each, user_id=[user.id, 99][each % 2], ip=f"::{each}") for each in range(4)),
        *(at_minute(20 + each, fingerprint="1-c", ip="::1", user_id=99) for each in range(4)),
    )
    page = viewer.get("/logs?since=2026-11-20&until=2026-11-21").text
    assert [summary for _, summary, _ in folds(page)] == [
        "and 3 more like it until 12:20",
        "and 3 more like it until 12:10 · 2 users",
        "and 3 more like it until 12:00 · 4 addresses",
    ]
    items = re.findall(r'<li class="ui-clip" dir="ltr">(.*?)</li>', page, re.DOTALL)
    whose = [re.findall(r'"log-whose">(.*?)<', item) for item in items]
    assert whose[:6] == [[], [], [], [user.username], ["99"], [user.username]]
    title = re.sub(r' title="[^"]*"', "", items[6])
    assert title == (
        '<time datetime="2026-11-20T12:02:00.000Z" data-clock="time">12:02:00.000</time>'
        ' <span class="log-whose">192.0.2.2</span>'
        f' <a class="ui-row" href="/logs/{ids[2]}"><strong>OutOfCoffee</strong> <bdi>m2</bdi></a>'
        ' <span class="ui-muted">POST /pour</span>'
    )


def test_where_every_row_is_meant_none_is_folded(app: Flask, viewer: FlaskClient) -> None:
    """Lists of one problem, of one request and around a row fold nothing, and neither do lists for programs."""
    [*_, last] = put(app, *(row(f"m{number}", request_id="r-1") for number in range(9)))
    number = problem_id(app)
    assert '<details class="log-like' in viewer.get("/logs?q=m").text
    for query in (f"problem={number}", "request=r-1", f"around={last}"):
        page = viewer.get(f"/logs?{query}").text
        assert len(shown(page)) == 9, query
        assert "log-like" not in page, query
    assert "log-like" not in viewer.get(f"/logs/problems/{number}").text
    assert len(viewer.get("/logs.json").get_json()["entries"]) == 9
    assert viewer.get("/logs.csv").text.count("\n") == 10


def test_the_histogram_draws_one_path_a_level(app: Flask, viewer: FlaskClient) -> None:
    """The number of elements does not depend on the number of bars, because each costs Jinja and the browser time."""
    put(app, *(row(age=timedelta(hours=hour), level=level) for hour in range(20) for level in (20, 30, 40)))
    page = viewer.get("/logs").text
    assert re.findall(r'<path class="(ui-\w+)"', page) == ["ui-red", "ui-amber", "ui-blue"]
    assert page.count("h8v") >= 3 * 19
    assert page.count("<rect") == page.count("tabindex")


def test_the_routes_are_asked_as_often_for_fifty_rows_as_for_one(
    app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(app, "inject_url_defaults", lambda endpoint, _values: asked.append(endpoint))
    counts = []
    for number in (1, 49):
        put(app, *(row(f"m{each}", user_id=each, fingerprint=f"1-{each % 7}") for each in range(number)))
        asked.clear()
        viewer.get("/logs")
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_what_is_muted_is_said_and_can_be_shown(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("bot"), row("bot"), row("seen", fingerprint="1-seen"))
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(update(LogProblem).where(LogProblem.fingerprint == "1-shop").values(status=MUTED))
    page = viewer.get("/logs?level=ERROR").text
    assert shown(page) == ["seen"]
    on = 'aria-current="true" title="Not shown: {0}. Show them">Hide muted <span aria-hidden="true">✓</span> '
    on += '<span class="ui-muted">{0}<'
    assert f'href="/logs?level=ERROR&amp;muted=show" {on.format("2 rows of 1 problem")}' in page
    assert f'href="/logs?q=o&amp;muted=show" {on.format("1 problem")}' in viewer.get("/logs?q=o").text
    page = viewer.get("/logs?q=o&muted=show").text
    assert 'href="/logs?q=o" title="Rows of muted problems are shown. Hide them">Hide muted</a>' in page
    assert 'Remove the filter</span> <span class="ui-muted">muted' not in page
    assert "Hide muted" not in viewer.get("/logs?logger=cafe").text
    assert shown(viewer.get("/logs?muted=show").text) == ["seen", "bot", "bot"]


def test_an_empty_log_leads_to_the_demo(app: Flask, viewer: FlaskClient) -> None:
    for address in ("/logs", "/logs/problems", "/logs/problems?level=INFO&q=tea"):
        assert "Nothing has been logged yet" in viewer.get(address).text
        assert "/demo" not in viewer.get(address).text
    app.config["DEBUG"] = True
    for address in ("/logs", "/logs/problems"):
        assert 'href="/demo">The demo</a>' in viewer.get(address).text
    put(app, row(level=20))
    for address in ("/logs", "/logs/problems"):
        assert "The demo" not in viewer.get(address).text
        assert "Nothing has been logged yet" not in viewer.get(address).text
