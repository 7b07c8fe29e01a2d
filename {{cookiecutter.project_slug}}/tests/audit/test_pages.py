"""Only admins see the trail; its filters find entries, on pages and in a terminal."""

import json
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import aliased

from app import audit, dblog, time_limit
from app.accounts.models import User
from app.audit.models import AuditEntry
from app.database import db, hour_of, utcnow

from ..conftest import Command, login
from ..dblog.log_rows import problem_id, put, row

PAGES = ["/audit", "/audit.json", "/audit/User/1", "/audit/User/1.json"]


@pytest.fixture
def visitor(client: FlaskClient, admin: User) -> FlaskClient:
    """Return an admin who is logged in."""
    login(client, admin)
    return client


@pytest.fixture
def entries(app: Flask) -> list[int]:
    """Store 120 changes of three objects by two users, a minute apart; return them newest first."""
    now = utcnow()
    with app.app_context():
        db.session.execute(delete(AuditEntry))
        made = [
            AuditEntry(
                created_at=now - timedelta(minutes=number),
                request_id=f"r-{number}",
                user_id=1 + number % 2,
                ip="192.0.2.1",
                action="insert" if number == 119 else "update",
                model="Book" if number % 3 else "Shelf",
                object_id=str(number % 3),
                changes={"title": [f"<b>{number + 1}</b>", f"<b>{number}</b>"]},
            )
            for number in range(120)
        ]
        for entry in reversed(made):
            db.session.add(entry)
            db.session.flush()
        db.session.commit()
        return [entry.id for entry in made]


def test_a_search_is_stopped_at_its_time_limit(
    app: Flask, visitor: FlaskClient, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a value repeats what looks like the field, a search costs the database the product of their lengths."""
    with app.app_context():
        for _ in range(300):
            changes = {"a": [None, '"' * 20_000]}
            entry = {"created_at": utcnow(), "action": "update", "model": "Book", "object_id": "1"}
            db.session.add(AuditEntry(**entry, changes=changes))
            db.session.flush()
        db.session.commit()
    monkeypatch.setattr(time_limit, "STATEMENT_SECONDS", 0.002)
    field = '"' * 100
    for address in (f"/audit?field={field}", f"/audit.json?field={field}"):
        answer = visitor.get(address)
        assert (answer.status_code, "stopped at its time limit" in answer.text) == (400, True), address
    monkeypatch.undo()
    assert visitor.get("/audit").status_code == 200


def test_the_limit_ends_with_the_search(
    app: Flask, visitor: FlaskClient, entries: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's other statements, and those of later requests, have the same connections."""
    clock = [0.0]
    monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    assert visitor.get("/audit?field=title").status_code == 200
    clock[0] += time_limit.STATEMENT_SECONDS + 1
    with app.app_context():
        other = aliased(AuditEntry)
        pairs = select(func.count()).select_from(AuditEntry).join(other, other.id >= 0)
        assert db.session.scalar(pairs) == len(entries) ** 2


def test_the_log_links_to_what_a_request_changed(app: Flask, visitor: FlaskClient, entries: list[int]) -> None:
    changed, unchanged, outside = put(app, row(request_id="r-1"), row(request_id="r-999"), row())
    link = '<a href="/audit?request=r-1">What it changed</a>'
    assert link in visitor.get(f"/logs/{changed}").text
    for number in (unchanged, outside):
        assert "What it changed" not in visitor.get(f"/logs/{number}").text
    with app.app_context():
        db.metadata.tables["audit_entry"].drop(db.engine)
    assert visitor.get(f"/logs/{changed}").status_code == 200, "the trail cannot be read"


def test_problems_link_to_what_their_request_and_their_user_changed(
    app: Flask, visitor: FlaskClient, entries: list[int]
) -> None:
    asked = {"method": "POST", "path": "/books", "fingerprint": "1-books"}
    [changed] = put(app, row(request_id="r-1", user_id=2, **asked))
    [unchanged] = put(app, row(request_id="r-999", user_id=99, **asked))
    problem = f"/logs/problems/{problem_id(app, '1-books')}"
    by_request = '<a href="/audit?request=r-1">What it changed →</a>'
    by_user = ' · <a href="/audit?user=2">their changes</a>'
    page = visitor.get(f"{problem}?row={changed}").text
    assert by_request in page
    assert by_user in page
    assert by_user in visitor.get(f"/logs/{changed}").text
    for address in (f"{problem}?row={unchanged}", f"/logs/{unchanged}"):
        assert 'href="/audit?' not in visitor.get(address).text
    with app.app_context():
        db.metadata.tables["audit_entry"].drop(db.engine)
    page = visitor.get(f"{problem}?row={changed}").text
    assert "their rows" in page
    assert 'href="/audit?' not in page, "the trail cannot be read"


def fetch(client: FlaskClient, url: str) -> Any:
    return client.get(url).json


def ids(client: FlaskClient, url: str) -> list[int]:
    return [entry["id"] for entry in fetch(client, url)["entries"]]


@pytest.mark.parametrize("url", PAGES)
def test_only_admins_see_it(client: FlaskClient, user: User, url: str) -> None:
    answer = client.get(url)
    assert answer.status_code == (401 if url.endswith(".json") else 302)
    login(client, user)
    assert client.get(url).status_code == 403


def test_without_a_guard_nobody_sees_it() -> None:
    bare = Flask(__name__)
    audit.init_app(bare, db)
    assert {bare.test_client().get(url).status_code for url in PAGES} == {403}


@pytest.mark.parametrize("url", PAGES)
def test_admins_see_it(visitor: FlaskClient, url: str) -> None:
    answer = visitor.get(url)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_pages_go_by_key_both_ways(visitor: FlaskClient, entries: list[int]) -> None:
    first = fetch(visitor, "/audit.json?user=&action=update")
    second = fetch(visitor, first["older"])
    third = fetch(visitor, second["older"])
    found = [entry["id"] for page in (first, second, third) for entry in page["entries"]]
    assert found == entries[:119]
    assert (first["newer"], third["older"]) == (None, None)
    assert fetch(visitor, second["newer"])["entries"] == first["entries"]
    assert fetch(visitor, third["newer"])["entries"] == second["entries"]


def test_a_cursor_is_no_filter(visitor: FlaskClient, entries: list[int]) -> None:
    older = fetch(visitor, "/audit.json")["older"].replace(".json", "")
    assert "Clear all" not in visitor.get(older).text
    assert "Clear all" in visitor.get(f"{older}&model=Book").text


def test_chips_take_one_filter_away(visitor: FlaskClient, entries: list[int]) -> None:
    address = "/audit?model=Book&action=update&endpoint=x&_external=1"
    answer = visitor.get(f"{address}&before=")
    assert (answer.status_code, answer.location) == (302, address), "no empty parameter"
    page = visitor.get(address).text
    chips = re.findall(r'href="([^"]*)"><[^>]*>Remove the filter</span> <[^>]*>(\w+)<', page)
    assert chips == [("/audit?action=update", "model"), ("/audit?model=Book", "action")]
    assert re.search(r'rel="next" href="/audit\?model=Book&amp;action=update&amp;before=[-\d]+"', page)


def test_an_objects_history_goes_by_key(visitor: FlaskClient, entries: list[int]) -> None:
    with_more = fetch(visitor, "/audit/Shelf/0.json")
    assert [entry["id"] for entry in with_more["entries"]] == entries[::3]
    assert visitor.get("/audit/Shelf/0?before=0-1").status_code == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("model=Shelf", lambda number: number % 3 == 0),
        ("object=2", lambda number: number % 3 == 2),
        ("user=2", lambda number: number % 2 == 1),
        ("action=insert", lambda number: number == 119),
        ("since=10m30s", None),
        ("since=630s", lambda number: number <= 10),
        ("until=630s&user=1&model=Book&object=1", lambda number: number > 10 and number % 6 == 4),
        ("since=2020-01-31", lambda number: True),
        ("until=2020-01-31T12:00Z", lambda number: False),
        ("request=r-7", lambda number: number == 7),
        ("request=r-7&user=2&model=Book", lambda number: number == 7),
        ("request=r-7&object=2", lambda number: False),
        ("field=title", lambda number: True),
        ("field=Title&model=Shelf&object=0", lambda number: number % 3 == 0),
        ("field=titl", lambda number: False),
        ("field=name&user=1", lambda number: False),
        ("field=%25", lambda number: False),
        ("model=shelf", lambda number: False),
    ],
)
def test_filters(visitor: FlaskClient, entries: list[int], query: str, expected: Callable[[int], bool] | None) -> None:
    if expected is None:
        assert visitor.get(f"/audit.json?{query}").status_code == 400
        assert "since:" in visitor.get(f"/audit?{query}").text
        return
    wanted = [entry for number, entry in enumerate(entries) if expected(number)]
    assert ids(visitor, f"/audit.json?{query}") == wanted[:50]


def test_until_is_the_first_moment_that_is_not_shown(
    visitor: FlaskClient, app: Flask, runner: FlaskCliRunner, entries: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        moments = list(db.session.scalars(select(AuditEntry.created_at).order_by(AuditEntry.id.desc())))
    start, end = (moment.isoformat() for moment in (moments[9], moments[4]))
    query = f"since={start}&until={end}".replace("+", "%2B")
    assert ids(visitor, f"/audit.json?{query}") == entries[5:10]
    assert [line["id"] for line in lines(runner, "list", "--since", start, "--until", end)] == entries[5:10]
    # An age of an hour and more starts on the hour.
    now = moments[0]
    monkeypatch.setattr("app.listing.utcnow", lambda: now)
    hour = hour_of(now - timedelta(hours=1))
    before = [entry for entry, moment in zip(entries, moments, strict=True) if moment < hour]
    assert ids(visitor, "/audit.json?until=1h") == before[:50]
    assert [line["id"] for line in lines(runner, "list", "--since", "60m", "--limit", "120")] == [
        entry for entry in entries if entry not in before
    ]


@pytest.mark.parametrize(
    "query", [f"object={'x' * 256}", "user=me", "action=drop", "until=9999999d", "before=1", "after=1-x"]
)
def test_what_cannot_be_understood_is_said(visitor: FlaskClient, query: str) -> None:
    assert visitor.get(f"/audit?{query}").status_code == 400
    assert set(fetch(visitor, f"/audit.json?{query}")) == {"error"}


def test_old_beside_new_newest_first(visitor: FlaskClient, app: Flask, user: User) -> None:
    with app.app_context():
        db.session.execute(update(User).where(User.id == user.id).values(email="a@example.org"))
        db.session.execute(update(User).where(User.id == user.id).values(email="b@example.org"))
        db.session.commit()
    page = visitor.get(f"/audit/User/{user.id}").text
    rows = re.findall(r'<th scope="row"><a href="/audit\?field=email">.*?</th>(.*?)</tr>', page, re.DOTALL)
    cells = [re.findall(r"<bdi>(.*?)</bdi>|>(none)<", row) for row in rows]
    assert [["".join(cell) for cell in row] for row in cells] == [
        ["a@example.org", "b@example.org"],
        ["none", "a@example.org"],
    ]
    assert user.password_hash not in page


def test_values_are_never_markup(visitor: FlaskClient, entries: list[int]) -> None:
    for url in ("/audit", "/audit/Shelf/0"):
        page = visitor.get(url).text
        assert "<b>" not in page
        assert "&lt;b&gt;" in page


def test_the_history_of_what_is_gone(visitor: FlaskClient, app: Flask, user: User) -> None:
    with app.app_context():
        db.session.delete(db.session.get(User, user.id))
        db.session.commit()
    assert "delete" in visitor.get(f"/audit/User/{user.id}").text
    assert visitor.get("/audit/User/999").status_code == 404
    assert visitor.get("/audit/Nothing/1.json").status_code == 404


def test_between_the_log_and_the_trail(app: Flask, client: FlaskClient, admin: User) -> None:
    """One click leads from a record of the log to the changes of its request, and back."""

    @app.post("/work")
    def work() -> str:
        db.session.execute(update(User).values(email="new@example.org"))
        db.session.commit()
        app.logger.error("worked")
        return "done"

    login(client, admin)
    app.config["WTF_CSRF_ENABLED"] = False
    app.config["PROXY_HOPS"] = 1
    client.post("/work", headers={"X-Request-ID": "r-1"})
    assert dblog.flush(10)
    [record] = fetch(client, "/logs.json?request=r-1")["entries"]
    assert 'href="/audit?request=r-1"' in client.get(f"/logs/{record['id']}").text
    changes = client.get("/audit?request=r-1").text
    assert f"/audit/User/{admin.id}" in changes
    assert "<details open>" in changes
    assert 'href="/logs?request=r-1"' in changes
    assert 'href="/logs?request=r-1"' in client.get(f"/audit/User/{admin.id}").text


def test_what_no_request_did_has_no_log(visitor: FlaskClient, user: User) -> None:
    page = visitor.get("/audit?request=system").text
    assert "all by system" in page
    assert "/logs?request=" not in page
    assert "/logs?request=" not in visitor.get(f"/audit/User/{user.id}").text


# In a terminal


def run(runner: FlaskCliRunner, *args: str) -> str:
    result = runner.invoke(args=["audit", *args])
    assert result.exit_code == 0, result.output
    return result.output


def lines(runner: FlaskCliRunner, *args: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(runner, *args, "--json").splitlines()]


def test_list(runner: FlaskCliRunner, entries: list[int]) -> None:
    assert [line["id"] for line in lines(runner, "list")] == entries[:50]
    found = lines(runner, "list", "--model", "Book", "--id", "1", "--user", "2", "--since", "11m", "--limit", "9")
    assert [line["id"] for line in found] == [entries[1], entries[7]]
    assert found[0].keys() == {column.key for column in AuditEntry.__table__.columns}
    assert found[0]["created_at"].endswith("+00:00")
    [first, *_rest] = run(runner, "list").splitlines()
    assert re.fullmatch(rf"{entries[0]}\t[-\d]+ [:\d]+\tupdate\tShelf 0\tuser 1\ttitle: <b>1</b> → <b>0</b>", first)


def test_a_field_s_changes_however_they_were_written(
    visitor: FlaskClient, app: Flask, runner: FlaskCliRunner, entries: list[int]
) -> None:
    """Another library writes numbers of more than 64 bits. A value that looks like a change does not count as one."""
    changes: list[dict[str, list[Any]]] = [
        {"email": ["a@x", "b@x"]},
        {"size": [1, 2**70], "email": [None, "c@x"]},
        {"text": ['{"email":[1,2]}', "email"], "emails": [1, 2]},
    ]
    with app.app_context():
        for each in changes:
            db.session.add(AuditEntry(created_at=utcnow(), action="update", model="Book", object_id="1", changes=each))
            db.session.flush()
        db.session.commit()
    first, second, _ = ids(visitor, "/audit.json")[2::-1]
    assert ids(visitor, "/audit.json?field=email") == [second, first]
    assert [line["id"] for line in lines(runner, "list", "--field", "email")] == [second, first]
    page = visitor.get("/audit?field=email").text
    assert "email: a@x → b@x" in page
    assert page.count("<details") == 2


@pytest.mark.parametrize("query", ["field=title", "action=update", "object=1", "model=Book"])
def test_a_search_without_an_index_reads_a_bounded_number_of_entries(
    visitor: FlaskClient,
    app: Flask,
    runner: FlaskCliRunner,
    entries: list[int],
    monkeypatch: pytest.MonkeyPatch,
    query: str,
) -> None:
    """A page says how far it searched and continues from there; together the pages have every entry, in both
    directions.
    """
    expected = ids(visitor, f"/audit.json?{query}")
    monkeypatch.setattr("app.audit.queries.SEARCH_ROWS", 7)
    url, back, pages = f"/audit.json?{query}", "", 0
    seen: list[int] = []
    while url:
        answer, pages = fetch(visitor, url), pages + 1
        assert len(answer["entries"]) <= 7
        assert (answer["searched_to"] is None) is (answer["older"] is None)
        seen += [entry["id"] for entry in answer["entries"]]
        url, back = answer["older"], url
    assert pages == 120 // 7 + 1
    assert seen[:50] == expected
    again: list[int] = []
    url = fetch(visitor, back)["newer"]
    while url:
        answer = fetch(visitor, url)
        again = [entry["id"] for entry in answer["entries"]] + again
        url = answer["newer"]
    assert seen[: len(again)] == again
    assert len(again) > len(seen) - 8
    option, _, value = query.replace("object", "id").partition("=")
    assert [line["id"] for line in lines(runner, "list", f"--{option}", value, "--limit", "200")] == seen
    page = visitor.get(f"/audit?{query}").text
    assert "Searched back to" in page
    assert "Continue →" in page


def test_what_a_terminal_would_obey_is_short_too(visitor: FlaskClient, app: Flask) -> None:
    with app.app_context():
        changes = {"title": ["\N{RIGHT-TO-LEFT OVERRIDE}" * 90, "x"]}
        db.session.add(AuditEntry(created_at=utcnow(), action="update", model="Book", object_id="1", changes=changes))
        db.session.commit()
    shown = "\\u202e" * 9 + "\\u202…"
    assert f"<bdi>title: {shown} → x</bdi>" in visitor.get("/audit?model=Book").text


def test_nothing_found_so_far(
    visitor: FlaskClient, runner: FlaskCliRunner, entries: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.queries.SEARCH_ROWS", 7)
    assert "Nothing found so far" in visitor.get("/audit?field=none").text
    assert run(runner, "list", "--field", "none") == "No change matches.\n"


def test_names_stand_for_numbers(visitor: FlaskClient, runner: FlaskCliRunner, admin: User, entries: list[int]) -> None:
    assert admin.id == 1  # user 2 has no account any more
    first, second, *_rest = run(runner, "list").splitlines()
    assert (first.split("\t")[4], second.split("\t")[4]) == ("grace", "user 2")
    assert "  update  grace  r-0" in run(runner, "show", "Shelf", "0").splitlines()[0]
    page = visitor.get("/audit").text
    assert (page.count("<bdi>grace</bdi>"), page.count("<bdi>user 2</bdi>")) == (25, 25)
    assert "<bdi>grace</bdi>" in visitor.get("/audit/Shelf/0").text
    named = ids(visitor, "/audit.json?user=grace")
    assert named == ids(visitor, "/audit.json?user=1") == entries[:100:2]
    assert lines(runner, "list", "--user", "Grace", "--limit", "1")[0]["id"] == entries[0]


def test_values_are_in_the_list(
    visitor: FlaskClient, app: Flask, runner: FlaskCliRunner, make_user: Callable[..., User]
) -> None:
    ada = make_user("ada", email="a@example.org")
    with app.app_context():
        db.session.execute(update(User).where(User.id == ada.id).values(email=None, password_hash="x" * 100))
        db.session.execute(update(User).where(User.id == ada.id).values(email="b" * 90))
        db.session.delete(db.session.get(User, ada.id))
        db.session.commit()
    made_and_gone = (
        rf"id: {ada.id}, username: ada, email: {{}}, password_hash: \[masked\], is_admin: false, created_at: .+"
    )
    expected = [
        made_and_gone.format("b{59}…"),
        "email: none → b{59}…",
        r"email: a@example\.org → none, password_hash: \[masked\] → \[masked\]",
        made_and_gone.format(r"a@example\.org"),
    ]
    in_terminal = [
        line.split("\t")[5] for line in run(runner, "list", "--model", "User", "--id", str(ada.id)).splitlines()
    ]
    page = visitor.get(f"/audit?model=User&object={ada.id}").text
    on_page = [unescape(text) for text in re.findall(r"<summary><bdi>(.*?)</bdi></summary>", page)]
    for shown in (in_terminal, on_page):
        assert len(shown) == len(expected)
        for text, pattern in zip(shown, expected, strict=True):
            assert re.fullmatch(pattern, text), text


def test_show(runner: FlaskCliRunner, entries: list[int]) -> None:
    assert [line["id"] for line in lines(runner, "show", "Book", "2")] == entries[2::3]
    head, change, *_rest = run(runner, "show", "Book", "2").splitlines()
    assert head.endswith("update  user 1  r-2 192.0.2.1")
    assert change == "    title: <b>3</b> → <b>2</b>"


def test_nothing_in_a_terminal_is_obeyed(app: Flask, runner: FlaskCliRunner, make_user: Callable[..., User]) -> None:
    make_user("ada", email="\x1b[31mred\x9b1m\N{RIGHT-TO-LEFT OVERRIDE}@example.org")
    for command in (["show", "User", "1"], ["show", "User", "1", "--json"], ["list", "--json"], ["list"]):
        shown = run(runner, *command)
        assert not {"\x1b", "\x9b", "\N{RIGHT-TO-LEFT OVERRIDE}"}.intersection(shown), command


def test_a_code_page_that_lacks_a_character(app: Flask, make_user: Callable[..., User]) -> None:
    make_user("\N{GREEK SMALL LETTER OMEGA}mega")
    runner = app.test_cli_runner(charset="cp1252")
    shown = run(runner, "show", "User", "1")
    assert r"username: null \u2192 \u03c9mega" in shown
    assert lines(runner, "list")[0]["changes"]["username"] == [None, "\N{GREEK SMALL LETTER OMEGA}mega"]


def test_prune(app: Flask, runner: FlaskCliRunner, entries: list[int]) -> None:
    with app.app_context():
        old = update(AuditEntry).where(AuditEntry.id.in_(entries[100:]))
        db.session.execute(old.values(created_at=utcnow() - timedelta(days=31)))
        db.session.commit()
    assert run(runner, "prune", "--days", "30") == "Deleted 20 entries.\n"
    assert run(runner, "prune", "--days", "30") == "Deleted 0 entries.\n"
    assert [line["id"] for line in lines(runner, "list", "--limit", "200")] == entries[:100]
    with app.app_context():
        db.session.add(User(username="ada", password_hash="x"))
        db.session.commit()
        newest = db.session.scalar(select(func.max(AuditEntry.id)))
        assert newest is not None
        assert newest > max(entries), "no number is used again"


def test_prune_asks_before_it_takes_every_entry(app: Flask, runner: FlaskCliRunner, entries: list[int]) -> None:
    """With a clock that is ahead every entry would be old."""
    for answer in ("", "n\n"):
        asked = runner.invoke(args=["audit", "prune", "--days", "0"], input=answer)
        assert asked.exit_code == 1
        assert "older than 0 days. Is the clock right?" in asked.output
        assert len(lines(runner, "list", "--limit", "200")) == len(entries)
    assert run(runner, "prune", "--days", "0", "--yes") == "Deleted 120 entries.\n"
    assert run(runner, "prune", "--days", "0") == "Deleted 0 entries.\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["list", "--since", "yesterday"], "since: an age"),
        (["list", "--user", "ada"], "there is none called “ada”"),
        (["list", "--model", "\udcff"], "model: contains"),
        (["show", "Book", "9"], "The trail has nothing about Book 9."),
        (["prune"], "AUDIT_RETENTION_DAYS is 0, which keeps all: name a number of --days."),
    ],
)
def test_mistakes_are_one_sentence(runner: FlaskCliRunner, args: list[str], said: str) -> None:
    result = runner.invoke(args=["audit", *args])
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_without_a_database(make_app: Callable[..., Flask]) -> None:
    result = make_app().test_cli_runner().invoke(args=["audit", "list"])
    assert result.exit_code == 1
    assert "`flask db upgrade`" in result.output
    assert result.output.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of a POSIX shell")
def test_a_closed_pipe_ends_quietly(app: Flask, command: Command) -> None:
    with app.app_context():
        db.session.add_all(User(username="x" * 60 + str(number), password_hash="x") for number in range(1500))
        db.session.commit()
    listed = f"{sys.executable} -m flask audit list --json --limit 1500 | head -n 1"
    done = command("-c", f"import subprocess; subprocess.run({listed!r}, shell=True)")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
