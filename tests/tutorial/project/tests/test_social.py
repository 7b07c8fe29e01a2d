"""A visitor can use the features of the tutorial."""

import io
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage as Mail
from email.message import Message as AnyMessage
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MailHandler
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import select

from app import dblog
from app.accounts.models import User
from app.audit.models import AuditEntry
from app.config import PROJECT
from app.database import db, utcnow
from app.dblog.models import LogEntry
from app.social.jobs import export_messages
from app.social.models import Message, Mood, Profile

from .conftest import PASSWORD, csrf_token, login


def submit(client: FlaskClient, page: str, to: str = "", **fields: object) -> str:
    """Send a page's form; return the page that follows."""
    token = csrf_token(client.get(page).text)
    return client.post(to or page, data={"csrf_token": token, **fields}, follow_redirects=True).text


@pytest.fixture
def ada(client: FlaskClient, make_user: object) -> FlaskClient:
    """Return a client of a user who has registered."""
    assert callable(make_user)
    make_user("first", is_admin=True)
    page = submit(client, "/register", username="ada", email="ada@example.org", password=PASSWORD, repeated=PASSWORD)
    assert "Welcome!" in page
    return client


def say(client: FlaskClient, *texts: str) -> None:
    for text in texts:
        assert text in submit(client, "/home", text=text, mood="LOUD", tip="1.25")


def test_registration_is_checked(ada: FlaskClient) -> None:
    page = submit(ada, "/register", username="ADA", email="x", password="short", repeated="other")
    assert "The passwords differ." in page
    page = submit(ada, "/register", username="ADA", email="b@example.org", password=PASSWORD, repeated=PASSWORD)
    assert "already taken" in page


def test_a_profile_with_when_it_was_last_seen(ada: FlaskClient, app: Flask) -> None:
    page = submit(ada, "/profile", about="I count", language="en", quiet="y")
    assert "I count" in page
    assert "Last seen" in page
    with app.app_context():
        profile = db.session.scalars(select(Profile)).one()
        assert utcnow() - profile.last_seen < timedelta(minutes=10)
        assert profile.settings == {"quiet": True}
        changed = [name for entry in db.session.scalars(select(AuditEntry)) for name in entry.changes]
    assert "about" in changed
    assert "last_seen" not in changed


def test_followers_and_pages(ada: FlaskClient, app: Flask, make_user: object) -> None:
    assert callable(make_user)
    grace = make_user("grace")
    say(ada, "one", "two")
    other = app.test_client()
    login(other, grace)
    say(other, "three", "four")
    assert "three" not in ada.get("/home").text
    assert "1 followers, 0 followed" in submit(ada, "/user/grace", to="/user/grace/follow")
    first = ada.get("/home").text
    assert all(text in first for text in ("four", "three", "two"))
    assert "grace: one" not in first
    (older,) = re.findall(r'rel="next" href="([^"]*)"', first)
    assert "ada: one" in ada.get(older.replace("&amp;", "&")).text
    assert "0 followers" in submit(ada, "/user/grace", to="/user/grace/follow")


def test_search_keeps_its_text_from_page_to_page(ada: FlaskClient) -> None:
    say(ada, "tea 1", "tea 2", "tea 3", "tea 4", "100% coffee")
    assert "coffee" in ada.get("/explore?q=100%25").text
    page = ada.get("/explore?q=tea").text
    assert "coffee" not in page
    (older,) = re.findall(r'rel="next" href="([^"]*)"', page)
    assert "q=tea" in older
    assert "tea 1" in ada.get(older.replace("&amp;", "&")).text
    (older,) = re.findall(r'rel="next" href="([^"]*)"', ada.get("/user/ada").text)
    assert older.startswith("/user/ada?")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def mailbox(app: Flask) -> Iterator[list[Mail]]:
    """Run a mail server, and return the mails that it receives."""
    received: list[Mail] = []

    class Receive(MailHandler):
        def handle_message(self, message: AnyMessage) -> None:
            received.append(message_from_bytes(message.as_bytes(), policy=default))

    controller = Controller(Receive(), hostname="127.0.0.1", port=free_port())
    controller.start()
    app.config |= {"MAIL_HOST": "127.0.0.1", "MAIL_PORT": controller.port}
    yield received
    controller.stop()


def test_a_forgotten_password_is_made_anew(ada: FlaskClient, app: Flask, mailbox: list[Mail]) -> None:
    submit(ada, "/home", to="/logout")
    assert "Look into your mail." in submit(ada, "/forgotten", email="nobody@example.org")
    assert mailbox == []
    submit(ada, "/forgotten", email="ADA@example.org")
    (link,) = re.findall(r"http://[^/]*(/forgotten/\S+)", str(mailbox[0].get_content()))
    assert "at least" in submit(ada, link, password="short")
    submit(ada, link, password="another horse battery")
    assert "This link is too old." in ada.get(link, follow_redirects=True).text, "a link is good for once"
    with app.app_context():
        user = db.session.scalars(select(User).where(User.username == "ada")).one()
    assert login(ada, user, "another horse battery").status_code == 302


def test_the_api_takes_a_token(ada: FlaskClient, app: Flask) -> None:
    bearer = ada.post("/token", data={"csrf_token": csrf_token(ada.get("/home").text)}).json
    assert bearer
    program = app.test_client()
    headers = {"Authorization": f"Bearer {bearer['token']}", "Accept": "*/*"}
    refused = program.post("/api/messages", json={"text": "x"}, headers={"Accept": "*/*"})
    assert (refused.status_code, refused.is_json) == (401, True)
    wrong = program.post("/api/messages", json={"text": " "}, headers=headers)
    assert (wrong.status_code, wrong.is_json) == (400, True)
    assert "1 to 140 characters" in str(wrong.json)
    made = program.post("/api/messages", json={"text": "by a program"}, headers=headers)
    assert (made.status_code, made.json and made.json["author"]) == (201, "ada")
    listed = program.get("/api/messages?q=program").json
    assert listed
    assert [message["text"] for message in listed["messages"]] == ["by a program"]
    missing = program.get("/api/nothing", headers=headers)
    assert (missing.status_code, missing.is_json) == (404, True)
    with app.app_context():
        ada_id = db.session.scalars(select(User.id).where(User.username == "ada")).one()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    broken = program.get("/api/broken", headers=headers)
    assert (broken.status_code, broken.is_json) == (500, True)
    assert dblog.flush(30)
    with app.app_context():
        (entry,) = db.session.scalars(select(LogEntry).where(LogEntry.exception.contains("RuntimeError")))
        assert (entry.user_id, entry.path) == (ada_id, "/api/broken")


def test_a_picture_is_uploaded(ada: FlaskClient) -> None:
    large = b"\x89PNG" + b"\0" * 2_000_000
    for name, content in (("face.txt", b"no picture"), ("face.png", large)):
        page = ada.get("/profile").text
        assert 'enctype="multipart/form-data"' in page
        fields = {"csrf_token": csrf_token(page), "language": "en", "picture": (io.BytesIO(content), name)}
        answer = ada.post("/profile", data=fields)
        assert answer.status_code == (200 if name.endswith(".txt") else 302)
        answer.request.input_stream.close()  # the client leaves its file for a large body open
    too_large = {"picture": (io.BytesIO(b"x" * 4 * 1024 * 1024), "face.png")}
    refused = ada.post("/profile", data=too_large)
    assert refused.status_code == 413
    refused.request.input_stream.close()


def test_two_languages(ada: FlaskClient, app: Flask) -> None:
    german = {"Accept-Language": "de"}
    assert "Zuletzt gesehen" in app.test_client().get("/user/ada", headers=german).text
    assert "Last seen" in ada.get("/user/ada", headers=german).text, "she has chosen English"
    submit(ada, "/profile", about="", language="de")
    assert "Zuletzt gesehen" in ada.get("/user/ada").text


def test_a_job_a_command_and_a_nightly_script(
    ada: FlaskClient, app: Flask, runner: FlaskCliRunner, tmp_path: Path
) -> None:
    say(ada, "old", "new")
    assert runner.invoke(args=["social", "count"]).output == "2 messages\n"
    with app.app_context():
        profile_id = db.session.scalars(select(Profile.id)).one()
        first = db.session.scalars(select(Message).order_by(Message.id)).first()
        assert first
        first.created_at = utcnow() - timedelta(days=40)
        db.session.commit()
        url = app.config["SQLALCHEMY_DATABASE_URI"]
    export_messages(profile_id, str(tmp_path / "export.json"))
    assert json.loads((tmp_path / "export.json").read_text("utf-8")) == ["old", "new"]
    assert dblog.flush(30)
    with app.app_context():
        (entry,) = db.session.scalars(select(LogEntry).where(LogEntry.logger == "app.social.jobs"))
        assert entry.request_id == "job:export_messages"
    nightly = [sys.executable, "nightly.py", url, "30"]
    done = subprocess.run(nightly, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "1\n"
    with app.app_context():
        assert [*db.session.scalars(select(Message.mood).order_by(Message.id))] == [Mood.CALM, Mood.LOUD]
