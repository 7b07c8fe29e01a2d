"""Rows and problems can be handed over as a link, Markdown, JSON or text."""

import html
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import User
from app.dblog.viewer.decisions import Who, decide, parse_note

from ..conftest import login
from .log_rows import ERROR, problem_id, put, row


@pytest.fixture
def viewer(client: FlaskClient, admin: User) -> FlaskClient:
    login(client, admin)
    return client


def markdown(page: str) -> str:
    """Return the text that a browser shows in the text area, without the line end after the tag."""
    found = re.search(r'<textarea id="log-markdown"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def outside_code(text: str) -> str:
    """Return the Markdown without its code blocks and code spans, as CommonMark defines them."""
    text = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", text)


def test_a_problem_as_markdown(app: Flask, viewer: FlaskClient) -> None:
    columns: dict[str, Any] = ERROR | {"title": "shop.OutOfCoffee: none left", "release": "9f2c1ab"}
    put(app, row("Exception on /pour [POST]", **columns))
    text = markdown(viewer.get(f"/logs/problems/{problem_id(app)}").text)
    assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text) == (
        "### `shop.OutOfCoffee: none left`\n"
        "\n"
        f"<http://localhost/logs/problems/{problem_id(app)}>\n"
        "\n"
        "- 1 row, 1 user; first seen TIME UTC, last seen TIME UTC\n"
        "- Request `POST /pour`, id `r-1`\n"
        "- Release `9f2c1ab`\n"
        "- Logger `shop`, from `/srv/shop/app/pot.py:12 pour`\n"
        "\n"
        "```text\n"
        "Exception on /pour [POST]\n"
        "\n"
        "/srv/shop/app/pot.py:12 in pour\n"
        "     11  def pour():\n"
        ">    12      raise OutOfCoffee\n"
        "     13\n"
        "```\n"
    )


def test_a_row_as_markdown(app: Flask, viewer: FlaskClient) -> None:
    [number] = put(app, row("m\nmore", **ERROR))
    page = viewer.get(f"/logs/{number}").text
    text = markdown(page)
    assert text.startswith(f"### `m`\n\n<http://localhost/logs/{number}>\n\n- Logged ")
    assert "shop.OutOfCoffee: none left\n\n/srv/shop/app/pot.py:12 in pour\n" in text
    assert "flask/app.py" not in text, "a library's frame"
    assert f'value="http://localhost/logs/{number}"' in page
    for secret in ("192.0.2.7", "second floor"):
        assert secret in page
        assert secret not in text, "who it happened to, and what else was logged"


@pytest.mark.parametrize("text", ["`", "``` a", "x ```` y", "`` ` ```", "\n```\n# heading\n", "a`", "```text\n```"])
def test_nothing_gets_out_of_its_code(app: Flask, viewer: FlaskClient, text: str) -> None:
    hostile = f"{text} <img src=x> @everyone"
    frame = {"file": hostile, "function": hostile, "line": 1, "first": 1, "project": True, "source": [hostile]}
    frames = [{"class": hostile, "text": hostile, "frames": [frame]}]
    columns = ERROR | {"frames": frames, "path": hostile, "release": hostile[:64], "source": hostile}
    [number] = put(app, row(hostile, **columns))
    for address in (f"/logs/{number}", f"/logs/problems/{problem_id(app)}"):
        rest = outside_code(markdown(viewer.get(address).text))
        assert rest.count("everyone") == 0, rest
        assert "img" not in rest


def test_controls_are_shown(app: Flask, viewer: FlaskClient) -> None:
    [number] = put(app, row("\x1b[2J\u202egone"))
    assert "### `\\x1b[2J\\u202egone`" in markdown(viewer.get(f"/logs/{number}").text)


def test_long_texts_are_cut(app: Flask, viewer: FlaskClient) -> None:
    [number] = put(app, row("la " * 40_000))
    assert len(markdown(viewer.get(f"/logs/{number}").text)) < 3_000


def test_frames_of_libraries_where_there_are_no_others(app: Flask, viewer: FlaskClient) -> None:
    frames = [{"file": "/lib/json.py", "line": number, "function": "dump", "project": False} for number in (3, 9)]
    [number] = put(
        app,
        row(
            **ERROR
            | {"frames": [{"class": "E", "text": "", "frames": frames}, {"class": "F", "text": "", "frames": []}]}
        ),
    )
    text = markdown(viewer.get(f"/logs/{number}").text)
    assert "E\n\n/lib/json.py:9 in dump\n```" in text
    assert ":3 in dump" not in text


def test_a_long_message_is_on_the_page_once(app: Flask, viewer: FlaskClient) -> None:
    message = "the coffee " + "is cold " * 100 + "the end."
    said = "shop.Cold: " + message
    frames = [{"class": "shop.Cold", "text": message, "frames": []}]
    for columns in ({}, ERROR | {"frames": frames, "trace": said}, {"message": said}):
        columns = {"frames": frames} | columns if "message" in columns else columns
        [number] = put(app, row(**{"message": message} | columns))
        page = viewer.get(f"/logs/{number}").text
        without_hand_over = re.sub(r'<details class="log-hand-over">.*?</details>', "", page, flags=re.DOTALL)
        assert without_hand_over.count("the end.") == 1
        assert page.count("the end.") <= 2, "once more in what is handed over"


def test_a_row_as_text(app: Flask, viewer: FlaskClient) -> None:
    [number] = put(app, row("m \x1b[2J", release="9f2c1ab", **ERROR))
    answer = viewer.get(f"/logs/{number}.txt")
    assert (answer.mimetype, "m \\x1b[2J" in answer.text) == ("text/plain", True)
    assert "    release  9f2c1ab\n" in answer.text
    assert "     source  app.pot:12 pour\n" in answer.text
    assert ERROR["trace"].rstrip() in answer.text
    assert viewer.get("/logs/999.txt").status_code == 404


def test_what_nobody_caught_is_named_by_its_exception(app: Flask, viewer: FlaskClient) -> None:
    """Flask's message only repeats the request, and its source line is in Flask."""
    source = "flask.app:875 log_exception"
    columns = ERROR | {"exception_text": "none left", "source": source}
    [number] = put(app, row("Exception on /pour [POST]", **columns))
    page = viewer.get(f"/logs/{number}").text
    assert '<h1 dir="ltr"><bdi>shop.OutOfCoffee: none left</bdi></h1>' in page
    assert "<title>shop.OutOfCoffee: none left" in page
    assert '<h2 class="ui-red">' not in page, "the heading says it already"
    assert "<dt>Source</dt><dd><bdi>/srv/shop/app/pot.py:12 pour</bdi></dd>" in page
    assert "<dt>Message</dt><dd><bdi>Exception on /pour [POST]</bdi></dd>" in page
    assert source not in page
    text = markdown(page)
    assert text.startswith("### `shop.OutOfCoffee: none left`\n")
    assert "- Logger `shop`, from `/srv/shop/app/pot.py:12 pour`\n" in text
    as_text = viewer.get(f"/logs/{number}.txt").text
    assert "     source  /srv/shop/app/pot.py:12 pour\n" in as_text
    assert "\nException on /pour [POST]\n" in as_text
    assert viewer.get(f"/logs/{number}.json").get_json()["source"] == source, "as it was recorded"


def test_what_an_exception_says_is_whole_below_a_heading_that_is_cut(app: Flask, viewer: FlaskClient) -> None:
    said = "none left " * 40 + "the end."
    for text in (said, "none left\nthe end."):
        frames = [{"class": "shop.OutOfCoffee", "text": text, "frames": []}]
        columns = ERROR | {"exception_text": text, "frames": frames, "trace": "", "title": "x"}
        [number] = put(app, row("Exception on /pour [POST]", **columns))
        assert "the end.</pre>" in viewer.get(f"/logs/{number}").text


def test_an_exception_that_the_application_logs_is_named_by_its_message(app: Flask, viewer: FlaskClient) -> None:
    [number] = put(app, row("Exception on /other [POST]", **ERROR | {"exception_text": "none left"}))
    page = viewer.get(f"/logs/{number}").text
    assert '<h1 dir="ltr"><bdi>Exception on /other [POST]</bdi></h1>' in page
    assert "<dt>Source</dt><dd><bdi>app.pot:12 pour</bdi></dd>" in page


def test_a_problem_as_json(app: Flask, viewer: FlaskClient, admin: User) -> None:
    [number] = put(app, row("m", **ERROR))
    with app.app_context():
        decide([problem_id(app)], parse_note("look"), Who(admin.id))
        decide([problem_id(app)], parse_note("from the shell"), Who(account="operator"))
    answer = viewer.get(f"/logs/problems/{problem_id(app)}.json").get_json()
    assert (answer["problem"]["count"], answer["problem"]["level_name"]) == (1, "ERROR")
    assert answer["rows"] == [
        {name: value for name, value in viewer.get(f"/logs/{number}.json").get_json().items() if name != "problem"}
    ]
    keys = ("action", "detail", "user_id", "user", "account")
    assert [tuple(line[key] for key in keys) for line in answer["history"]] == [
        ("noted", "from the shell", None, None, "operator"),
        ("noted", "look", admin.id, "grace", None),
    ]
    assert all(line["created_at"].endswith("+00:00") for line in answer["history"])


def test_json_and_text_are_for_admins(app: Flask, user: User) -> None:
    [number] = put(app, row())
    addresses = [
        f"/logs/problems/{problem_id(app)}.json",
        f"/logs/{number}.json",
        "/logs/problems.json",
        f"/logs/{number}.txt",
    ]
    for address in addresses:
        assert app.test_client().get(address).status_code == (302 if address.endswith("txt") else 401), address
    member = app.test_client()
    login(member, user)
    assert [member.get(address).status_code for address in addresses] == [403] * len(addresses)
