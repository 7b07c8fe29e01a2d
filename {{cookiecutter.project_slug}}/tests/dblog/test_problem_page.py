"""The page of one problem has its facts, rows and history, and people decide there."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, insert
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.accounts.models import User
from app.components import near
from app.database import db, utcnow
from app.dblog.models import MAX_USERS, LogDecision, LogProblem, LogProblemDay, LogProblemUser
from app.dblog.viewer import decisions, problem_facts
from app.dblog.viewer.decisions import HISTORY_LINES, NOTE_LIMIT, Who, decide, parse_change, parse_note
from app.listing import BadFilter

from ..conftest import csrf_token, login
from .log_rows import ERROR, problem_id, put, row

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def viewer(client: FlaskClient, admin: User) -> FlaskClient:
    login(client, admin)
    return client


def see(app: Flask, viewer: FlaskClient, terms: str = "") -> str:
    answer = viewer.get(f"/logs/problems/{problem_id(app)}{terms}")
    assert answer.status_code == 200, answer.text
    return answer.text


def words(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def section(page: str, heading: str) -> str:
    """Return the words below a heading."""
    found = re.search(rf"<h2>{heading}.*?</h2>(.*?)(?=<h2|</aside>|</section>)", page, re.DOTALL)
    assert found, heading
    return words(found[1])


def figures(page: str) -> dict[str, str]:
    found = re.search(r'<dl class="log-figures">(.*?)</dl>', page, re.DOTALL)
    assert found
    return {
        words(name): words(value) for name, value in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", found[1], re.DOTALL)
    }


def submit(viewer: FlaskClient, page: str, address: str, **form: Any) -> TestResponse:
    """Send a form of the page, and check that it leads back to the page."""
    back = re.search(r'name="back" value="([^"]*)"', page)
    assert back
    return viewer.post(address, data={"csrf_token": csrf_token(page), "back": back[1], **form})


def test_figures(app: Flask, viewer: FlaskClient) -> None:
    rows = [row(age=age, user_id=user) for age, user in ((75 * HOUR, 5), (2 * HOUR, 5), (HOUR, 6))]
    put(app, *rows)
    first, last = (words(near(each["created_at"], timed=True)) for each in (rows[0], rows[-1]))
    assert re.fullmatch(r"\d+ \w{3}( \d{4})? \d\d:\d\d", first)
    assert figures(see(app, viewer)) == {"records": "3", "users": "2", f"since {first}": "3 d", "last seen": last}
    with app.app_context():
        decide([problem_id(app)], parse_change("resolved"), Who())
    assert figures(see(app, viewer))["rows since resolved"] == "0"
    put(app, row(age=-SECOND), row(age=-SECOND))
    assert figures(see(app, viewer))["rows since resolved"] == "2", "it came back"
    with app.app_context():
        decide([problem_id(app)], parse_change("open"), Who())
    assert "since resolved" not in see(app, viewer), "opened by hand, it is as if it had never been resolved"


def test_thirty_days_and_their_deploys(app: Flask, viewer: FlaskClient) -> None:
    put(app, row(age=40 * DAY, release="old"), row(age=3 * DAY, release="9f2c1ab"), row(age=0 * DAY), row(age=0 * DAY))
    page = see(app, viewer)
    chart = re.search(r'<figure class="log-days">.*?</figure>', page, re.DOTALL)
    assert chart
    assert 'aria-label="3 in the last 30 days"' in chart[0]
    bars = [int(count) for count in re.findall(r"<title>\d\d \w+: (\d+)</title>", chart[0])]
    assert (len(bars), bars[-4:]) == (30, [1, 0, 0, 2])
    [place] = re.findall(r'class="log-deploy" x1="([\d.]+)"', chart[0])
    assert 260 <= float(place) < 270
    assert "deploy 9f2c1ab" in words(chart[0])


def test_marks(app: Flask, viewer: FlaskClient) -> None:
    def marks(page: str) -> list[str]:
        return [words(word) for word in re.findall(r'class="problems-mark[^>]*>(.*?)</span>', page)]

    put(app, row(age=HOUR, release="9f2c1ab"))
    assert marks(see(app, viewer)) == ["new since 9f2c1ab"]
    put(app, row(age=HOUR / 2, release="8e1d0ff", fingerprint="1-other"))
    assert marks(see(app, viewer)) == []
    with app.app_context():
        decide([problem_id(app)], parse_change("resolved"), Who())
    put(app, row(age=-SECOND))
    assert marks(see(app, viewer)) == ["came back"]


def test_more_than_usual_today(app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def mark(first_seen: timedelta, days: Mapping[int, int]) -> tuple[str, str] | None:
        """Return mark and title of a problem with so many records so many days ago, and so many before those."""
        with app.app_context(), db.engines["log"].begin() as connection:
            connection.execute(LogProblem.metadata.tables["log_problem_day"].delete())
            today = now.replace(hour=0)
            connection.execute(LogProblem.__table__.update().values(first_seen=now - first_seen))  # type: ignore[attr-defined]
            rows = [
                {"fingerprint": "1-shop", "level": 40, "logger": "x", "day": today - ago * DAY, "count": count}
                for ago, count in days.items()
            ]
            connection.execute(insert(LogProblemDay), rows)
        found = [
            re.search(r'problems-mark ui-amber" title="([^"]*)">([^<]*)<', viewer.get(address).text)
            for address in (f"/logs/problems/{problem_id(app)}", "/logs/problems")
        ]
        assert len({each and each.groups() for each in found}) == 1, "the list and the page agree"
        return (found[0][2], found[0][1]) if found[0] else None

    now = utcnow().replace(hour=12, minute=0, second=0, microsecond=0)
    for module in ("problem_list", "problem_facts"):
        monkeypatch.setattr(f"app.dblog.viewer.{module}.chart_start", lambda: now.replace(hour=0) - 29 * DAY)
    put(app, row(title="shop"))
    usual = dict.fromkeys(range(1, 30), 4)
    assert mark(90 * DAY, usual | {0: 14}) == (
        "×3 today",
        "14 records today, 4.0 a day in the 29 days before (UTC). Marked from 3 times as many and 10 records on.",
    )
    assert mark(90 * DAY, usual | {0: 11}) is None, "not three times as many"
    assert mark(90 * DAY, usual | {1: 900, 0: 90}) is None, "yesterday counts"
    assert mark(90 * DAY, dict.fromkeys(range(1, 30), 2) | {0: 9}) is None, "too few"
    assert mark(90 * DAY, {0: 20}) == (
        "×20 today",
        "20 records today, 0.0 a day in the 29 days before (UTC). Marked from 3 times as many and 10 records on.",
    )
    assert mark(7 * DAY, {7: 7, 0: 3_000}) == (
        "×3,000 today",
        "3,000 records today, 1.0 a day in the 7 days before (UTC). Marked from 3 times as many and 10 records on.",
    )
    assert mark(6 * DAY, {6: 1, 0: 3_000}) is None, "it has no usual day yet"
    assert mark(HOUR, {0: 3_000}) is None


def test_a_mute_that_its_time_has_ended_is_open(app: Flask, viewer: FlaskClient) -> None:
    [number] = put(app, row())
    with app.app_context():
        decide([problem_id(app)], parse_change("muted", "24h"), Who())
    assert "Muted</span>" in see(app, viewer)
    with app.app_context(), db.engines["log"].begin() as connection:
        ended = LogProblem.__table__.update().values(muted_until=utcnow() - SECOND)  # type: ignore[attr-defined]
        connection.execute(ended)
    page = see(app, viewer)
    assert "Open</span>" in page
    assert 'value="resolved"' in page
    assert "· open ·" in words(viewer.get(f"/logs/{number}").text)
    assert viewer.get(f"/logs/problems/{problem_id(app)}.json").get_json()["problem"]["status"] == "open"


def test_its_rows_one_after_the_other(app: Flask, viewer: FlaskClient) -> None:
    ids = put(app, *(row(f"m{number}", age=(9 - number) * HOUR, title="m", **ERROR) for number in range(3)))
    (other,) = put(app, row(fingerprint="1-other"))
    page = see(app, viewer)
    assert "Latest row" in page
    assert "m2" in page
    address = f"/logs/problems/{problem_id(app)}"
    assert re.search(rf'rel="prev"[^>]* href="{address}\?row={ids[1]}"', page)
    assert 'rel="next"' not in page
    page = see(app, viewer, f"?row={ids[1]}")
    assert "A row of it" in page
    assert re.search(rf'rel="prev"[^>]* href="{address}\?row={ids[0]}"', page)
    assert re.search(rf'rel="next"[^>]* href="{address}\?row={ids[2]}"', page)
    for number, said in ((other, "has no row"), (99_999, "has no row"), ("x", "a whole number")):
        answer = viewer.get(f"{address}?row={number}")
        assert (answer.status_code, said in answer.text) == (400, True)


def test_its_rows_name_the_line_of_the_exception(app: Flask, viewer: FlaskClient) -> None:
    put(app, row("Exception on /pour [POST]", **ERROR))
    page = see(app, viewer)
    assert '<td class="log-where ui-clip"><code>pot.py:12</code></td>' in page
    assert "Like it" not in page


def test_what_its_request_did(app: Flask, viewer: FlaskClient) -> None:
    now = utcnow().replace(microsecond=0) - HOUR
    asked = {"request_id": "r-1", "method": "POST", "path": "/pour", "query": "cups=2&token=***"}
    times = (("second", 40), ("first", 3), ("third", 43))
    others = [
        row(text, fingerprint=f"1-{text}", created_at=now + timedelta(milliseconds=each), **asked)
        for text, each in times
    ]
    put(app, row("of another", fingerprint="1-x", request_id="r-2"), *others)
    error = {"exception": "shop.OutOfCoffee", "exception_text": "none left\nat all"}
    message = "Exception on /pour [POST]"
    put(app, row(message, created_at=now + timedelta(milliseconds=41), **asked, **error))
    page = see(app, viewer)
    found = re.search(r'<ol class="log-request">(.*?)</ol>', page, re.DOTALL)
    assert found
    assert re.findall(r"<bdi>(.*?)</bdi>", found[1]) == [
        "POST /pour?cups=2&amp;token=***",
        "first",
        "second",
        "shop.OutOfCoffee: none left",
        "third",
    ]
    assert "What this request did in 40 ms" in words(page)
    assert "/logs?request=r-1" in page
    assert "All of this request (4)" in page


def test_a_request_without_an_id_leads_nowhere(app: Flask, viewer: FlaskClient) -> None:
    put(app, row(method="GET", path="/pour"))
    assert section(see(app, viewer), "What this request did") == "GET /pour"


def test_a_request_that_takes_long(app: Flask, viewer: FlaskClient) -> None:
    asked = {"request_id": "r-1", "method": "GET", "path": "/"}
    put(app, row(age=95 * SECOND, **asked), row(age=SECOND, **asked))
    assert "What this request did in 1 min" in words(see(app, viewer))


def test_a_message_that_only_repeats_the_request_is_left_out(app: Flask, viewer: FlaskClient) -> None:
    for message, shown in (("Exception on /pour [POST]", 0), ("No coffee for table 7", 1)):
        columns = ERROR | {"fingerprint": f"1-{shown}", "exception_text": "none left", "title": "shop.OutOfCoffee: *"}
        put(app, row(message, **columns))
        page = viewer.get(f"/logs/problems/{problem_id(app, f'1-{shown}')}").text
        assert page.count('aria-label="Message"') == shown
        assert "none left</pre>" in page


def test_a_request_with_one_row_is_shown_too(app: Flask, viewer: FlaskClient) -> None:
    put(app, row(request_id="r-1", method="GET", path="/pour"))
    did = section(see(app, viewer), "What this request did")
    assert did == "GET /pour It logged nothing else. All of this request (1) →"


def test_a_request_that_logs_without_end(app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem_facts, "REQUEST_CAP", 8)
    monkeypatch.setattr(problem_facts, "REQUEST_ROWS", 4)
    asked = {"request_id": "r-1", "method": "GET", "path": "/"}
    put(app, *(row(f"m{number}", fingerprint="1-m", **asked) for number in range(20)))
    put(app, row("the error", **asked))
    page = see(app, viewer)
    found = re.search(r'<ol class="log-request">(.*?)</ol>', page, re.DOTALL)
    assert found
    assert found[1].count("<li") == 1 + 4
    assert "the error" in found[1]
    assert "All of this request (8+)" in page


def test_a_jobs_rows_are_not_those_of_one_run(app: Flask, viewer: FlaskClient) -> None:
    put(app, *(row(request_id="job:nightly", age=number * DAY) for number in range(3)))
    assert "What this request did" not in see(app, viewer)


def test_who_by_name(app: Flask, viewer: FlaskClient, admin: User, user: User) -> None:
    put(app, *(row(user_id=number) for number in (user.id, 99, user.id)))
    statements: list[str] = []
    with app.app_context():
        engine = db.engine

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "users" in statement:
            statements.append(statement)

    with app.app_context():
        decide([problem_id(app)], parse_note("look"), Who(admin.id))
    viewer.get("/logs")
    event.listen(engine, "before_cursor_execute", note)
    page = see(app, viewer)
    event.remove(engine, "before_cursor_execute", note)
    assert section(page, "Who").startswith(f"User ada ({user.id}) · their rows")
    assert f'href="/logs?user={user.id}"' in page
    assert section(page, "Most hit") == f"ada ({user.id}) 2 user 99 1"
    assert f"by grace ({admin.id})" in section(page, "History")
    of_names = [each for each in statements if " IN (" in each]
    assert len(of_names) == 1, "one question for all names of a page"


def test_the_most_users_that_are_kept(app: Flask, viewer: FlaskClient) -> None:
    put(app, row(user_id=1))
    with app.app_context(), db.engines["log"].begin() as connection:
        users = [{"fingerprint": "1-shop", "user_id": number, "count": number} for number in range(2, 8)]
        connection.execute(insert(LogProblemUser), users)
        connection.execute(LogProblem.__table__.update().values(users=MAX_USERS))  # type: ignore[attr-defined]
    page = see(app, viewer)
    assert figures(page)["users"] == "1,000+"
    assert re.findall(r"user (\d)", section(page, "Most hit")) == ["7", "6", "5", "4", "3"]
    assert "Of its first 1,000 users" in section(page, "Most hit")


def test_history_newest_first(app: Flask, viewer: FlaskClient, admin: User) -> None:
    put(app, row(age=HOUR, release="a"))
    with app.app_context():
        decide([problem_id(app)], parse_change("resolved"), Who(admin.id))
    put(app, row(age=-SECOND, release="9f2c1ab"))
    with app.app_context():
        decide([problem_id(app)], parse_change("muted", "+100"), Who(account="operator"))
        decide([problem_id(app)], parse_note("<b>see</b>\nthe wiki"), Who(admin.id))
    page = see(app, viewer)
    found = re.search(r'<ol class="log-history">(.*?)</ol>', page, re.DOTALL)
    assert found
    assert "&lt;b&gt;see&lt;/b&gt;\nthe wiki" in found[1]
    shown = re.sub("<time.*?</time>", "", found[1], flags=re.DOTALL)
    lines = [re.sub(r" , \d s later", ", soon", words(line)) for line in re.findall("<li>(.*?)</li>", shown, re.DOTALL)]
    assert lines == [
        f"noted by grace ({admin.id}) &lt;b&gt;see&lt;/b&gt; the wiki",
        "muted until 100 more rows by operator in a terminal",
        "came back in 9f2c1ab, soon",
        f"resolved by grace ({admin.id})",
        "first seen",
    ]


def test_how_long_after_the_resolving_it_came_back(app: Flask, viewer: FlaskClient, admin: User) -> None:
    put(app, row(age=3 * DAY))
    for resolved, came_back in ((50 * HOUR, 47 * HOUR), (6 * HOUR, HOUR)):
        with app.app_context():
            [line] = decide([problem_id(app)], parse_change("resolved"), Who(admin.id))
            with db.engines["log"].begin() as connection:
                moment = utcnow() - resolved
                for model, column, number in (
                    (LogDecision, "created_at", line),
                    (LogProblem, "resolved_at", problem_id(app)),
                ):
                    table = model.metadata.tables[model.__tablename__]
                    connection.execute(table.update().where(table.c.id == number).values({column: moment}))
        put(app, row(age=came_back))
    history = section(see(app, viewer), "History")
    assert re.findall(r"came back, (\d+ h) later", history) == ["5 h", "3 h"]


def test_a_return_without_its_resolving_says_no_time(
    app: Flask, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(app, row(age=HOUR))
    with app.app_context():
        decide([problem_id(app)], parse_change("resolved"), Who())
    put(app, row(age=-SECOND))
    monkeypatch.setattr(decisions, "HISTORY_LINES", 1)
    history = section(see(app, viewer), "History")
    assert "came back" in history
    assert "later" not in history


def test_a_long_history_is_cut_and_says_so(app: Flask, viewer: FlaskClient) -> None:
    put(app, row())
    with app.app_context():
        for number in range(HISTORY_LINES + 1):
            decide([problem_id(app)], parse_note(f"note-{number}"), Who())
    page = see(app, viewer)
    assert page.count("<blockquote") == HISTORY_LINES
    assert "Older lines are not shown." in page
    assert "note-0<" not in page


def test_decisions_stay_on_the_page_and_say_what_they_did(app: Flask, viewer: FlaskClient) -> None:
    put(app, row(release="a", **ERROR))
    here = f"/logs/problems/{problem_id(app)}"
    page = see(app, viewer)
    buttons = re.findall(r'<button class="ui-quiet" name="(\w+)" value="([^"]*)"', page)
    assert buttons == [
        ("status", "resolved"),
        ("status", "next"),
        *(("until", value) for value in ("24h", "7d", "+100", "")),
    ]
    for form, said in (
        ({"status": "resolved"}, "Resolved 1 problem."),
        ({"status": "open"}, "Reopened 1 problem."),
        ({"status": "muted", "until": "7d"}, "Muted 1 problem for 7 days."),
        ({"status": "next"}, "Resolved 1 problem in the next deploy."),
    ):
        answer = submit(viewer, see(app, viewer), "/logs/problems/decide", problem=problem_id(app), **form)
        assert answer.location.startswith(f"{here}?done=")
        page = viewer.get(answer.location).text
        assert said in page
        assert ">Undo</button>" in page
    assert 'name="status" value="open"' in page


def test_a_note(app: Flask, viewer: FlaskClient) -> None:
    put(app, row())
    here = f"/logs/problems/{problem_id(app)}"
    answer = submit(viewer, see(app, viewer), f"{here}/note", note="first\r\nsecond")
    assert (answer.status_code, answer.location.startswith(f"{here}?done=")) == (303, True)
    page = viewer.get(answer.location).text
    assert "The note was added." in page
    assert "first\nsecond</blockquote>" in page
    [line] = re.findall(r'name="decision" value="(\d+)"', page)
    undone = submit(viewer, page, "/logs/problems/undo", decision=line)
    assert "<blockquote" not in viewer.get(undone.location).text


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (" ", "1 to 2,000 characters; not 0"),
        ("x" * (NOTE_LIMIT + 1), "not 2,001"),
        ("x\0", "characters that are no text"),
        ("\0x", "characters that are no text"),
    ],
)
def test_a_note_that_cannot_be_kept(app: Flask, viewer: FlaskClient, note: str, said: str) -> None:
    put(app, row())
    page = see(app, viewer)
    answer = submit(viewer, page, f"/logs/problems/{problem_id(app)}/note", note=note)
    assert (answer.status_code, said in answer.text) == (400, True)
    assert "noted" not in section(see(app, viewer), "History")


@pytest.mark.parametrize("text", ["a\0", "\0", "a\ud800", "\udcff"])
def test_no_note_that_a_database_refuses(text: str) -> None:
    with pytest.raises(BadFilter, match="no text"):
        parse_note(text)


def test_lines_of_a_note_count_once(app: Flask) -> None:
    assert parse_note("x\r\n" * (NOTE_LIMIT // 2)).detail == ("x\n" * (NOTE_LIMIT // 2)).strip()


def test_a_note_needs_a_token_and_an_admin(app: Flask, viewer: FlaskClient, user: User) -> None:
    put(app, row())
    address = f"/logs/problems/{problem_id(app)}/note"
    assert viewer.post(address, data={"note": "x"}).status_code == 400, "without a token"
    member = app.test_client()
    login(member, user)
    token = csrf_token(member.get("/").text)
    assert member.post(address, data={"note": "x", "csrf_token": token}).status_code == 403
    token = csrf_token(see(app, viewer))
    for number in (problem_id(app) + 99, 10**30):
        answer = viewer.post(f"/logs/problems/{number}/note", data={"note": "x", "csrf_token": token})
        assert (answer.status_code, "the problem is gone" in answer.text) == (400, True)


def test_a_problem_without_rows_has_its_page(app: Flask, viewer: FlaskClient) -> None:
    put(app, row())
    with app.app_context(), Session(db.engines["log"]) as log:
        log.execute(db.metadatas["log"].tables["log_entry"].delete())
        log.commit()
    page = see(app, viewer)
    assert "Its rows are older than the log keeps them." in page
    assert "<h2>Who</h2>" not in page
