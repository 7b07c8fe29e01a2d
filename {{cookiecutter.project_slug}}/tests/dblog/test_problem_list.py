"""The list of problems: what it shows, and what is decided about many of them at once."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts.models import User

from ..conftest import csrf_token, login
from .log_rows import problem_id, put, row

SECOND = timedelta(seconds=1)


@pytest.fixture
def viewer(client: FlaskClient, admin: User) -> FlaskClient:
    login(client, admin)
    return client


def shown(page: str) -> list[str]:
    """The titles of a list, from top to bottom."""
    return [re.sub("<[^>]*>", "", title) for title in re.findall(r'class="ui-row"[^>]*>(.*?)</a>', page)]


def put_named(app: Flask, *names: str, **columns: Any) -> list[int]:
    """Store a row of each problem; returns the problems' numbers."""
    put(app, *(row(name, fingerprint=f"1-{name}", **columns) for name in names))
    return [problem_id(app, f"1-{name}") for name in names]


def decide(viewer: FlaskClient, status: str, *numbers: int, until: str = "", back: str = "") -> TestResponse:
    token = csrf_token(viewer.get("/logs/problems?status=all").text)
    form = {"status": status, "until": until, "problem": [*numbers], "back": back, "csrf_token": token}
    return viewer.post("/logs/problems/decide", data=form)


def undo(viewer: FlaskClient, page: str) -> TestResponse:
    """Press Undo on a page."""
    fields = re.findall(r'name="(decision|back)" value="([^"]*)"', page[page.index("problems-done") :])
    decisions = [value for name, value in fields if name == "decision"]
    back = next(value for name, value in fields if name == "back")
    form = {"decision": decisions, "back": back.replace("&amp;", "&"), "csrf_token": csrf_token(page)}
    return viewer.post("/logs/problems/undo", data=form)


def notice(page: str) -> str | None:
    found = re.search(r'problems-done">\s*<p role="status">(.*?)</p>', page)
    return found[1] if found else None


def test_one_decision_for_many(app: Flask, viewer: FlaskClient) -> None:
    first, second, _ = put_named(app, "a", "b", "c")
    answer = decide(viewer, "resolved", first, second, back="/logs/problems?status=open&q=")
    assert answer.status_code == 303
    assert re.fullmatch(r"/logs/problems\?status=open&done=\d+-\d+", answer.location)
    page = viewer.get(answer.location).text
    assert notice(page) == "Resolved 2 problems."
    assert shown(page) == ["c"]
    assert notice(viewer.get(answer.location).text), "a reload says it again"
    undone = undo(viewer, page)
    assert undone.status_code == 303
    assert undone.location.startswith("/logs/problems?status=open&done=")
    page = viewer.get(undone.location).text
    assert notice(page) == "Undone: 2 problems are as before."
    assert "Undo</button>" not in page
    assert sorted(shown(page)) == ["a", "b", "c"]
    assert notice(viewer.get(answer.location).text) is None, "it is undone"


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (("resolved",), "Resolved 1 problem."),
        (("next",), "Resolved 1 problem in the next deploy."),
        (("muted",), "Muted 1 problem."),
        (("muted", "24h"), "Muted 1 problem for 24 hours."),
        (("muted", "+100"), "Muted 1 problem until 100 more rows."),
        (("open",), "Reopened 1 problem."),
    ],
)
def test_what_was_done_is_said(app: Flask, viewer: FlaskClient, terms: tuple[str, ...], said: str) -> None:
    [number] = put_named(app, "a", release="9f2c1ab")
    status, until = [*terms, ""][:2]
    answer = decide(viewer, status, number, until=until)
    assert notice(viewer.get(answer.location).text) == said


def test_no_address_claims_what_did_not_happen(app: Flask, viewer: FlaskClient) -> None:
    first, second = put_named(app, "a", "b")
    resolved = decide(viewer, "resolved", first).location.rpartition("=")[2]
    muted = decide(viewer, "muted", second).location.rpartition("=")[2]
    for done, said in {
        f"{resolved}-{muted}": "Resolved 1 problem.",
        f"{resolved}-{resolved}": "Resolved 1 problem.",
        "999": None,
        "x": None,
        "-".join(["1" * 18] * 500): None,
    }.items():
        assert notice(viewer.get(f"/logs/problems?done={done}").text) == said
    put(app, row("a", fingerprint="1-a", age=-SECOND))
    assert notice(viewer.get(f"/logs/problems?done={resolved}").text) is None, "it came back since"


def test_what_is_newer_is_not_undone(app: Flask, viewer: FlaskClient) -> None:
    [number] = put_named(app, "a")
    page = viewer.get(decide(viewer, "resolved", number).location).text
    decide(viewer, "muted", number)
    answer = undo(viewer, page)
    assert answer.status_code == 400
    assert "something newer was decided" in answer.text


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"problem": []}, "Choose at least one problem"),
        ({"problem": [1] * 101}, "at most 100; not 101"),
        ({"problem": ["x"]}, "a whole number"),
        ({"problem": [99]}, "the problems are gone"),
        ({"status": "gone"}, "one of resolved"),
        ({"status": "muted", "until": "soon"}, "24h or 7d"),
        ({"status": "next"}, "No deploy is known"),
    ],
)
def test_a_mistake_is_said(app: Flask, viewer: FlaskClient, terms: dict[str, Any], sentence: str) -> None:
    [number] = put_named(app, "a")
    token = csrf_token(viewer.get("/logs/problems").text)
    form = {"problem": [number], "status": "resolved", "back": "/logs/problems?status=all", "csrf_token": token}
    answer = viewer.post("/logs/problems/decide", data=form | terms)
    assert answer.status_code == 400
    assert sentence in answer.text
    assert 'href="/logs/problems?status=all"' in answer.text
    assert shown(viewer.get("/logs/problems").text) == ["a"]


@pytest.mark.parametrize(
    ("back", "lands"),
    [
        ("/logs/problems/7?x=1&done=9#rows", "/logs/problems/7?x=1&"),
        ("/logs?level=ERROR", "/logs?level=ERROR&"),
        ("", "/logs/problems?"),
        ("https://example.org/logs", "/logs/problems?"),
        ("//example.org/logs", "/logs/problems?"),
        ("//[/logs", "/logs/problems?"),
        ("/logs/../account", "/logs/problems?"),
        ("/logs/%2e%2e/account", "/logs/problems?"),
        ("/logsmith", "/logs/problems?"),
        ("/\\example.org/logs", "/logs/problems?"),
    ],
)
def test_one_lands_within_the_log(app: Flask, viewer: FlaskClient, back: str, lands: str) -> None:
    [number] = put_named(app, "a")
    assert re.fullmatch(re.escape(lands) + r"done=\d+", decide(viewer, "muted", number, back=back).location)


def test_decisions_need_a_token_and_an_admin(app: Flask, client: FlaskClient, user: User, viewer: FlaskClient) -> None:
    [number] = put_named(app, "a")
    form = {"problem": number, "status": "resolved", "decision": 1}
    page = viewer.get("/logs/problems").text
    for address in ("/logs/problems/decide", "/logs/problems/undo"):
        assert viewer.post(address, data=form).status_code == 400, "without a token"
        signed = form | {"csrf_token": csrf_token(page)}
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert viewer.post(address, data=signed, headers=foreign).status_code == 403
        member = app.test_client()
        login(member, user)
        signed["csrf_token"] = csrf_token(member.get("/").text)
        assert member.post(address, data=signed).status_code == 403
        assert viewer.get(address).status_code == 405
    assert shown(viewer.get("/logs/problems").text) == ["a"]
