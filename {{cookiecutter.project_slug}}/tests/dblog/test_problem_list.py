"""The list shows problems, and people decide there about many of them at once."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, insert, update
from werkzeug.test import TestResponse

from app.accounts.models import User
from app.database import db, utcnow
from app.dblog.models import MAX_USERS, LogProblem, LogRelease
from app.dblog.viewer import problem_list

from ..conftest import csrf_token, login
from .log_rows import problem_id, put, row

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def viewer(client: FlaskClient, admin: User) -> FlaskClient:
    login(client, admin)
    return client


def shown(page: str) -> list[str]:
    """Return the titles of a list, from top to bottom."""
    return [re.sub("<[^>]*>", "", title) for title in re.findall(r'class="ui-row"[^>]*>(.*?)</a>', page)]


def put_named(app: Flask, *names: str, **columns: Any) -> list[int]:
    """Store a row of each problem; return the problems' numbers."""
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


def test_what_was_done_is_said(app: Flask, viewer: FlaskClient) -> None:
    [number] = put_named(app, "a", release="9f2c1ab")
    for terms, said in (
        (("resolved",), "Resolved 1 problem."),
        (("next",), "Resolved 1 problem in the next deploy."),
        (("muted",), "Muted 1 problem."),
        (("muted", "24h"), "Muted 1 problem for 24 hours."),
        (("muted", "1h"), "Muted 1 problem for 1 hour."),
        (("muted", "+100"), "Muted 1 problem until 100 more rows."),
        (("muted", "+1"), "Muted 1 problem until 1 more row."),
        (("open",), "Reopened 1 problem."),
    ):
        status, until = [*terms, ""][:2]
        answer = decide(viewer, status, number, until=until)
        assert notice(viewer.get(answer.location).text) == said


def test_on_a_narrow_screen_each_number_has_its_noun(app: Flask, viewer: FlaskClient) -> None:
    put_named(app, "once", user_id=1)
    put(app, *(row("often", fingerprint="1-often", user_id=user) for user in (1, 2)))
    numbers = re.findall(r'data-label="(records?|users?)">(\d+)<', viewer.get("/logs/problems").text)
    assert numbers == [("records", "2"), ("users", "2"), ("record", "1"), ("user", "1")]


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


def test_a_mistake_is_said(app: Flask, viewer: FlaskClient) -> None:
    [number] = put_named(app, "a")
    token = csrf_token(viewer.get("/logs/problems").text)
    usual = {"problem": [number], "status": "resolved", "back": "/logs/problems?status=all", "csrf_token": token}
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"problem": []}, "Choose at least one problem"),
        ({"problem": [1] * 101}, "at most 100; not 101"),
        ({"problem": ["x"]}, "a whole number"),
        ({"problem": [99]}, "the problems are gone"),
        ({"status": "gone"}, "one of resolved"),
        ({"status": "muted", "until": "soon"}, "24h or 7d"),
        ({"status": "next"}, "No deploy is known"),
    ]
    for terms, sentence in mistakes:
        answer = viewer.post("/logs/problems/decide", data=usual | terms)
        assert answer.status_code == 400, sentence
        assert sentence in answer.text
        assert 'href="/logs/problems?status=all"' in answer.text
    asked = viewer.post("/logs/problems/decide", data=usual | {"problem": []}, headers={"Accept": "application/json"})
    assert (asked.status_code, [*asked.get_json()]) == (400, ["error"])
    assert shown(viewer.get("/logs/problems").text) == ["a"]


def test_one_lands_within_the_log(app: Flask, viewer: FlaskClient) -> None:
    [number] = put_named(app, "a")
    for back, lands in (
        ("/logs/problems/7?x=1&done=9#rows", "/logs/problems/7?x=1&"),
        ("/logs/problems?q=%26&sort=rows&before=5-1", "/logs/problems?q=%26&sort=rows&before=5-1&"),
        ("/logs?level=ERROR", "/logs?level=ERROR&"),
        ("", "/logs/problems?"),
        ("https://example.org/logs", "/logs/problems?"),
        ("//example.org/logs", "/logs/problems?"),
        ("//[/logs", "/logs/problems?"),
        ("/logs/../account", "/logs/problems?"),
        ("/logs/%2e%2e/account", "/logs/problems?"),
        ("/logsmith", "/logs/problems?"),
        ("/\\example.org/logs", "/logs/problems?"),
    ):
        location = decide(viewer, "muted", number, back=back).location
        assert re.fullmatch(re.escape(lands) + r"done=\d+", location), back


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


# The list


def names(viewer: FlaskClient, **terms: object) -> list[str]:
    """Return the titles of the list, read from its JSON page by page."""
    found, address = [], "/logs/problems.json"
    answer = viewer.get(address, query_string=terms)
    while True:
        assert answer.status_code == 200, answer.text
        page = answer.get_json()
        found += [problem["title"] for problem in page["problems"]]
        if not page["older"]:
            return found
        answer = viewer.get(page["older"])


def deploy(app: Flask, age: timedelta, release: str = "9f2c1ab" + "0" * 33) -> None:
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(insert(LogRelease).values(release=release, first_seen=utcnow() - age))


def change(app: Flask, number: int, **columns: object) -> None:
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(update(LogProblem).where(LogProblem.id == number).values(**columns))


def of_problem(page: str, name: str) -> str:
    """Return the list's row of one problem."""
    return next(row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if f">{name}<" in row)


@pytest.fixture
def month(app: Flask) -> Flask:
    """Store a deploy of yesterday, and a problem of each kind."""
    deploy(app, 9 * DAY, "older")
    deploy(app, DAY)
    put_named(app, "quiet", "resolved", "muted", "lapsed", age=5 * DAY)
    put_named(app, "old", "back", "back-long-ago", age=5 * DAY)
    put_named(app, "old", "back", "new", age=HOUR)
    put_named(app, "info", level=20)
    number = {name: problem_id(app, f"1-{name}") for name in ("resolved", "muted", "lapsed", "back", "back-long-ago")}
    change(app, number["resolved"], status="resolved", resolved_at=utcnow())
    change(app, number["muted"], status="muted", muted_until=utcnow() + HOUR)
    change(app, number["lapsed"], status="muted", muted_until=utcnow() - HOUR)
    # What came back was resolved before.
    change(app, number["back"], came_back_at=utcnow() - HOUR, decided_at=utcnow() - 2 * HOUR)
    change(app, number["back-long-ago"], came_back_at=utcnow() - 5 * DAY, decided_at=utcnow() - 6 * DAY)
    return app


VIEWS = {
    "open": {"quiet", "lapsed", "old", "back", "back-long-ago", "new"},
    "new": {"new"},
    "came-back": {"back", "back-long-ago"},
    "came-back-since": {"back"},
    "quiet": {"quiet", "lapsed", "back-long-ago"},
    "resolved": {"resolved"},
    "muted": {"muted"},
    "all": {"quiet", "resolved", "muted", "lapsed", "old", "back", "back-long-ago", "new"},
}


def chips(page: str) -> dict[str, str]:
    """Return the number of problems in each view, by the view's address."""
    found = re.findall(r'class="ui-chip" href="([^"]*)"[^>]*>[^<]*<span class="ui-muted">([\d,]+)</span>', page)
    return {address.replace("&amp;", "&"): number for address, number in found}


def test_each_view_has_its_problems(month: Flask, viewer: FlaskClient) -> None:
    listed = chips(viewer.get("/logs/problems?status=quiet").text)
    for view, expected in VIEWS.items():
        assert {*names(viewer, status=view)} == expected, view
        address = "/logs/problems" if view == "open" else f"/logs/problems?status={view}"
        if view != "came-back-since":
            assert listed[address] == str(len(expected)), view
    assert names(viewer, status="new", level="INFO") == ["info", "new"]
    assert "info" not in viewer.get("/logs/problems?status=all").text


def test_the_line_of_the_deploy(month: Flask, viewer: FlaskClient) -> None:
    page = viewer.get("/logs/problems").text
    line = page[page.index("Deploy <code>") :].partition("</p>")[0]
    assert "<bdi>9f2c1ab</bdi>" in line
    links = {
        "/logs/problems?status=new": "1 new",
        "/logs/problems?status=came-back-since": "1 came back",
        "/logs/problems?status=quiet": "3 quiet since",
    }
    assert dict(re.findall(r'<a href="([^"]*)">([^<]*)</a>', line)) == links
    # Each deploy has a line, at least one day's bar from the next.
    [marks] = set(re.findall(r'class="problems-deploy" d="([^"]*)"', page))
    assert marks.count("M") == 2


def left_out(page: str) -> tuple[str, str] | None:
    """Return the line that says how many problems are left out, and the address of its link."""
    found = re.search(r'<p class="ui-muted">(The list leaves out [^<]*)<a href="([^"]*)">show</a></p>', page)
    return (found[1], found[2].replace("&amp;", "&")) if found else None


def test_what_was_seen_once_is_listed_apart_if_it_is_too_much(app: Flask, viewer: FlaskClient) -> None:
    put_named(app, "often", "resolved", age=2 * DAY)
    put_named(app, "often", "decided", "noted", age=DAY)
    change(app, problem_id(app, "1-resolved"), status="resolved", decided_at=utcnow())
    change(app, problem_id(app, "1-decided"), decided_at=utcnow())
    change(app, problem_id(app, "1-noted"), decided_at=utcnow())
    put(app, *(row(f"once {number}", fingerprint=f"2n-{number}") for number in range(1_000)))

    page = viewer.get("/logs/problems").text
    assert left_out(page) is None
    assert shown(page)[0] == "once 999"
    assert chips(page)["/logs/problems"] == "1,003"
    assert ">1,000+<" in page, "the tab counts no further"
    answer = viewer.get("/logs/problems.json").get_json()
    assert (answer["left_out"], answer["seen_once"]) == (0, None)

    put_named(app, "one more")
    page = viewer.get("/logs/problems?level=INFO").text
    assert left_out(page) == (
        "The list leaves out 1,001 problems seen once · ",
        "/logs/problems?level=INFO&status=once",
    )
    assert shown(page) == ["noted", "decided", "often"]
    assert chips(page)["/logs/problems?level=INFO"] == "3"
    assert re.search(r'<span class="ui-muted">3<span class="ui-hidden"> open', page), "the tab counts what is listed"
    assert names(viewer, sort="first") == ["noted", "decided", "often"]
    answer = viewer.get("/logs/problems.json").get_json()
    assert (answer["left_out"], answer["seen_once"]) == (1_001, "/logs/problems.json?status=once")

    page = viewer.get("/logs/problems?status=once").text
    assert shown(page)[0] == "one more"
    assert left_out(page) is None
    assert chips(page)["/logs/problems?status=once"] == "1,001"
    assert chips(page)["/logs/problems"] == "3"
    assert len(names(viewer, status="once")) == 1_001
    assert len(names(viewer, status="all")) == 1_005
    assert "/logs/problems?status=once" not in chips(viewer.get("/logs/problems?status=all").text)
    # A search lists them if it finds few.
    assert names(viewer, q="once 99") == [f"once {number}" for number in (*range(999, 989, -1), 99)]

    change(app, problem_id(app, "1-often"), status="muted")
    for name in ("decided", "noted"):
        change(app, problem_id(app, f"1-{name}"), status="resolved")
    page = viewer.get("/logs/problems").text
    assert "Nothing else is open" in page
    assert left_out(page)


def test_without_a_deploy_nothing_is_new(app: Flask, viewer: FlaskClient) -> None:
    put_named(app, "a")
    page = viewer.get("/logs/problems").text
    assert "Deploy <code>" not in page
    assert "New since" not in page
    assert "next deploy" not in page
    assert "problems-mark" not in page
    assert names(viewer, status="new") == names(viewer, status="quiet") == []


def test_what_a_row_shows(month: Flask, viewer: FlaskClient) -> None:
    error = {"fingerprint": "2e-a", "title": "shop.OutOfCoffee: none left", "level": 50}
    put(month, *(row("x", user_id=number, age=2 * DAY, **error) for number in (1, 2)), row("x", **error))
    page = viewer.get("/logs/problems").text
    shown_row = of_problem(page.replace("<span>", ""), "OutOfCoffee: none left")
    assert "<bdi>OutOfCoffee:<span> none left</span></bdi>" in page, "the class stands out, its module does not"
    assert "CRITICAL" in shown_row
    assert "pour · app/pot.py:12" in shown_row
    assert ">3</td>" in shown_row
    assert ">2</td>" in shown_row
    assert re.search(r"<time [^>]*>2 d</time>", shown_row)
    assert 'aria-label="3 records in 30 days"' in shown_row
    assert 'd="M108 22v-22h3v22z' in shown_row, "two of the day before yesterday"
    marks = {name: re.findall(r"problems-mark[^>]*>([^<]*)<", of_problem(page, name)) for name in VIEWS["open"]}
    assert {name for name, marked in marks.items() if "new" in marked} == {"new"}
    assert {name for name, marked in marks.items() if "came back" in marked} == {"back", "back-long-ago"}
    change(month, problem_id(month, "1-old"), users=MAX_USERS)
    assert "1,000+" in of_problem(viewer.get("/logs/problems").text, "old")


def test_a_problem_that_older_rows_have_is_not_new(app: Flask, viewer: FlaskClient) -> None:
    """The problem was deleted because there were too many, and is seen again after a deploy."""
    [number] = put_named(app, "a", age=5 * DAY)
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(LogProblem.metadata.tables["log_problem"].delete().where(LogProblem.id == number))
    deploy(app, DAY)
    put_named(app, "a", "b")
    assert names(viewer, status="new") == ["b"]


def test_orders_go_by_pages_and_back(app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = problem_list.list_problems.__kwdefaults__
    assert usual
    monkeypatch.setattr(problem_list.list_problems, "__kwdefaults__", usual | {"size": 3})
    same, moment = timedelta(hours=3), utcnow()
    keys = {name: index % 4 for index, name in enumerate("abcdefgh")}
    for name, key in keys.items():
        [number] = put_named(app, name, created_at=moment - same)
        at = {"first_seen": moment - DAY + key * HOUR, "last_seen": moment - key * HOUR}
        change(app, number, count=10 + key, users=key, **at)
    up = sorted(keys, key=lambda name: (keys[name], name), reverse=True)
    down = sorted(keys, key=lambda name: (-keys[name], name), reverse=True)
    for sort, expected in {"seen": down, "rows": up, "users": up, "first": up}.items():
        found, address, back = [], f"/logs/problems?sort={sort}", []
        while address:
            page = viewer.get(address).text
            found.append(shown(page))
            older, newer = (
                re.search(rf'rel="{rel}" href="([^"]*)"', page.replace("&amp;", "&")) for rel in ("next", "prev")
            )
            back.append(newer and newer[1])
            address = older[1] if older else ""
        assert found == [expected[:3], expected[3:6], expected[6:]], sort
        assert shown(viewer.get(back[2]).text) == expected[3:6], sort
        assert shown(viewer.get(back[1]).text) == expected[:3], sort


def test_a_search_looks_in_title_and_place(app: Flask, viewer: FlaskClient) -> None:
    put_named(app, "Tea for 100%", place="pour · app/tea.py:1 · GET /tea")
    put_named(app, "coffee", place="brew · app/coffee.py:1 · GET /coffee")
    for q, found in {
        "TEA": ["Tea for 100%"],
        "coffee.py": ["coffee"],
        "100%": ["Tea for 100%"],
        "%": ["Tea for 100%"],
        "get /": ["coffee", "Tea for 100%"],
        "zebra": [],
    }.items():
        assert names(viewer, q=q) == found, q
    page = viewer.get("/logs/problems?q=zebra").text
    assert 'href="/logs?find=zebra"' in page
    assert "Deploy <code>" not in page


def test_a_filter_that_is_none(app: Flask, viewer: FlaskClient) -> None:
    for terms in ("status=odd", "sort=odd", "level=odd", "before=banana", "after=1", "q=" + "x" * 201):
        assert viewer.get(f"/logs/problems?{terms}").status_code == 400, terms
        assert viewer.get(f"/logs/problems.json?{terms}").status_code == 400, terms


def test_links_keep_what_is_wanted(app: Flask, viewer: FlaskClient) -> None:
    [number] = put_named(app, "a")
    page = viewer.get("/logs/problems?q=a&level=ERROR&sort=rows").text.replace("&amp;", "&")
    links = re.findall(r'href="(/logs/problems\?[^"]*)"', page)
    assert "/logs/problems?sort=users&level=ERROR&q=a" in links
    assert "/logs/problems?level=ERROR&q=a&status=muted" in links
    assert 'name="back" value="/logs/problems?q=a&level=ERROR&sort=rows"' in page
    assert 'name="sort" value="rows"' in page, "the form keeps the order"
    done = viewer.get(decide(viewer, "muted", number, back="/logs/problems?status=all").location).text
    assert 'name="back" value="/logs/problems?status=all"' in done, "what was done is not done again"


def test_boxes_and_buttons_work_without_javascript(month: Flask, viewer: FlaskClient) -> None:
    page = viewer.get("/logs/problems").text
    boxes = re.findall(r'<input class="ui-over" type="checkbox" name="problem" value="\d+" form="([^"]*)"', page)
    assert boxes == ["problems-decide"] * len(VIEWS["open"])
    form = page[page.index('id="problems-decide"') :].partition("</form>")[0]
    assert re.findall(r'name="status" value="([^"]*)"', form) == ["resolved", "next", "muted"]
    for until in re.findall(r'<option value="([^"]*)"', form):
        answer = decide(viewer, "muted", problem_id(month, "1-new"), until=until)
        assert answer.status_code == 303, until
    of_muted = viewer.get("/logs/problems?status=muted").text
    assert re.findall(r'<button[^>]*name="status" value="([^"]*)"', of_muted) == ["open", "resolved"]


def test_the_work_does_not_grow_with_the_problems(app: Flask, viewer: FlaskClient) -> None:
    deploy(app, DAY)

    def statements() -> list[str]:
        seen: list[str] = []
        asking = threading.current_thread()

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            # The writer's thread looks now and then whether there are too many problems.
            if threading.current_thread() is asking:
                seen.append(statement)

        with app.app_context():
            engine = db.engines["log"]
        event.listen(engine, "before_cursor_execute", note)
        viewer.get("/logs/problems")
        event.remove(engine, "before_cursor_execute", note)
        return seen

    put_named(app, "a")
    viewer.get("/logs/problems")  # the first request starts the writer
    one = statements()
    assert len(one) < 12
    put(app, *(row(f"m{number}", fingerprint=f"1-m{number}", user_id=number) for number in range(30)))
    assert len(statements()) == len(one)
