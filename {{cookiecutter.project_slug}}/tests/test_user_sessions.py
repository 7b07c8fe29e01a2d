"""Logging out ends a session on the server's side, too; each account sees its own."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_login import FlaskLoginClient
from sqlalchemy import select, update

from app import dblog
from app.accounts import current_user
from app.accounts.models import User, UserSession
from app.config import load_config
from app.database import db, utcnow
from app.dblog.models import LogEntry

from .conftest import PASSWORD, csrf_token, login

NEW_PASSWORD = PASSWORD[::-1]


def logged_in(client: FlaskClient) -> bool:
    return "Log out" in client.get("/").text


def cookie(client: FlaskClient) -> str:
    found = client.get_cookie(client.application.config["SESSION_COOKIE_NAME"])
    assert found
    return found.value


def rows(app: Flask) -> list[UserSession]:
    with app.app_context():
        return list(db.session.scalars(select(UserSession).order_by(UserSession.id)))


def send(client: FlaskClient, path: str, page: str = "/account", **fields: str) -> str:
    form = {"csrf_token": csrf_token(client.get(page).text), **fields}
    return client.post(path, data=form, follow_redirects=True).text


def test_a_copied_cookie_is_of_no_use_after_the_logout(app: Flask, client: FlaskClient, user: User) -> None:
    login(client, user)
    copy = app.test_client()
    copy.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie(client))
    assert logged_in(copy)
    send(client, "/logout", "/")
    assert not logged_in(client)
    assert not logged_in(copy)
    assert rows(app) == []


def test_what_happens_with_an_ended_session_is_ascribed_to_nobody(app: Flask, client: FlaskClient, user: User) -> None:
    @app.get("/say")
    def say() -> str:
        app.logger.error("before")
        bool(current_user.is_authenticated)
        app.logger.error("after")
        return ""

    login(client, user)
    copy = app.test_client()
    copy.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie(client))
    copy.get("/say")
    send(client, "/logout", "/")
    copy.get("/say")
    assert dblog.flush(10)
    with app.app_context():
        said = db.session.execute(select(LogEntry.message, LogEntry.user_id).order_by(LogEntry.id)).all()
    assert [tuple(row) for row in said] == [
        ("before", user.id),
        ("after", user.id),
        ("before", user.id),
        ("after", None),
    ]


def test_each_login_has_a_new_id_and_the_database_has_only_its_hash(
    app: Flask, client: FlaskClient, user: User
) -> None:
    ids = []
    for _ in range(2):
        login(client, user)
        with client.session_transaction() as content:
            ids.append(content["_token"])
        send(client, "/logout", "/")
    assert ids[0] != ids[1]
    login(client, user)
    with client.session_transaction() as content:
        [row] = rows(app)
        assert content["_token"] not in (row.token_hash, repr(vars(row)))


def test_the_account_page_lists_sessions_and_ends_each(app: Flask, client: FlaskClient, user: User) -> None:
    login(client, user)
    other = app.test_client()
    token = csrf_token(other.get("/login").text)
    other.post(
        "/login",
        data={"csrf_token": token, "username": "ada", "password": PASSWORD},
        environ_overrides={"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "Netscape \x1b[31m<b>"},
    )
    since = utcnow() - timedelta(days=3)
    with app.app_context():
        db.session.execute(update(UserSession).values(created_at=since))
        db.session.commit()
    page = client.get("/account").text
    assert "192.0.2.7" in page
    assert "Netscape [31m&lt;b&gt;" in page
    assert page.count("this browser") == 1
    other_row = rows(app)[-1]
    assert page.count(f'since <time datetime="{since:%Y-%m-%dT%H:%M:%S}') == 2
    assert logged_in(other)
    assert "That browser is logged out." in send(client, f"/account/sessions/{other_row.id}/end")
    assert not logged_in(other)
    assert logged_in(client)


def test_nobody_ends_the_sessions_of_others(app: Flask, client: FlaskClient, user: User, admin: User) -> None:
    victim = app.test_client()
    login(victim, user)
    login(client, admin)
    [row, _] = rows(app)
    send(client, f"/account/sessions/{row.id}/end")
    send(client, "/account/sessions/end")
    assert logged_in(victim)
    assert not logged_in(client)


@pytest.mark.parametrize("session_id", ["2147483648", "9" * 30])
def test_a_session_that_cannot_be_is_a_404(client: FlaskClient, user: User, session_id: str) -> None:
    login(client, user)
    token = csrf_token(client.get("/account").text)
    assert client.post(f"/account/sessions/{session_id}/end", data={"csrf_token": token}).status_code == 404


def test_log_out_everywhere(app: Flask, client: FlaskClient, user: User) -> None:
    others = [app.test_client() for _ in range(2)]
    for each in [client, *others]:
        login(each, user)
    assert "logged out everywhere" in send(client, "/account/sessions/end")
    assert not any(map(logged_in, [client, *others]))


def test_a_new_password_ends_the_other_sessions(app: Flask, client: FlaskClient, user: User) -> None:
    other = app.test_client()
    for each in (client, other):
        login(each, user)
    before = cookie(client)
    page = send(client, "/account/password", "/account/password", password=PASSWORD, new_password=NEW_PASSWORD)
    assert "Your password is changed." in page
    assert logged_in(client)
    assert not logged_in(other)
    other.set_cookie(app.config["SESSION_COOKIE_NAME"], before)
    assert not logged_in(other)
    assert login(other, user, NEW_PASSWORD).status_code == 302


@pytest.mark.parametrize(
    ("password", "new_password", "sentence"),
    [
        ("wrong", NEW_PASSWORD, "Wrong password."),
        (PASSWORD, "short", "at least 8 characters"),
        (PASSWORD, "password1", "too easy to guess"),
        (PASSWORD, "", "Choose a password."),
    ],
)
def test_a_password_that_will_not_do_changes_nothing(
    app: Flask, client: FlaskClient, user: User, password: str, new_password: str, sentence: str
) -> None:
    login(client, user)
    form = {"password": password, "new_password": new_password}
    assert sentence in send(client, "/account/password", "/account/password", **form)
    with app.app_context():
        assert db.session.get_one(User, user.id).check_password(PASSWORD)
    assert logged_in(client)


def test_whoever_is_not_logged_in_has_no_account_page(client: FlaskClient) -> None:
    for path in ("/account", "/account/password"):
        assert client.get(path).location == f"/login?next={path}"


def test_a_hash_that_is_made_anew_ends_no_session(app: Flask, client: FlaskClient, user: User) -> None:
    login(client, user)
    with app.app_context():
        stored = db.session.get_one(User, user.id)
        stored.password_hash = stored.password_hash.replace("scrypt:1024", "scrypt:2048")
        db.session.commit()
    assert logged_in(client)


def test_a_cookie_without_an_id_is_valid(app: Flask, user: User) -> None:
    app.test_client_class = FlaskLoginClient
    with app.test_client(user=user) as client:
        assert logged_in(client)
        assert "not in the list" in client.get("/account").text
        with app.app_context():
            stored = db.session.get_one(User, user.id)
            stored.set_password(NEW_PASSWORD)
            db.session.commit()
        assert not logged_in(client)


# How long it lasts


def test_a_session_ends_after_fourteen_days_however_it_is_used(app: Flask, client: FlaskClient, user: User) -> None:
    login(client, user)
    with app.app_context():
        db.session.execute(update(UserSession).values(created_at=utcnow() - timedelta(days=14, seconds=-60)))
        db.session.commit()
    assert logged_in(client)
    with app.app_context():
        db.session.execute(update(UserSession).values(created_at=utcnow() - timedelta(days=14, seconds=60)))
        db.session.commit()
    assert not logged_in(client)
    login(client, user)
    assert len(rows(app)) == 1  # the row of the old session is deleted


@pytest.mark.parametrize("days", [13.9, 14.1])
def test_a_cookie_without_an_id_lasts_like_any_other(app: Flask, user: User, days: float) -> None:
    app.test_client_class = FlaskLoginClient
    with app.test_client(user=user) as client:
        client.get("/")
        with client.session_transaction() as content:
            content["_began"] -= int(days * 86_400)
        assert logged_in(client) is (days < 14)


def test_a_session_that_is_not_used_ends(make_app: Callable[..., Flask], app: Flask, user: User) -> None:
    client = make_app(SESSION_IDLE_MINUTES=30).test_client()
    login(client, user)
    assert logged_in(client)
    for minutes, stays in ((29, True), (31, False), (0, False)):
        with client.session_transaction() as content:
            content["_seen"] -= minutes * 60
        assert logged_in(client) is stays, minutes


@pytest.mark.parametrize("minutes", [29, 31])
def test_a_cookie_without_an_id_that_is_not_used_ends(
    make_app: Callable[..., Flask], app: Flask, user: User, minutes: int
) -> None:
    site = make_app(SESSION_IDLE_MINUTES=30)
    site.test_client_class = FlaskLoginClient
    with site.test_client(user=user) as client:
        assert logged_in(client)
        with client.session_transaction() as content:
            assert "_token" not in content
            content["_seen"] -= minutes * 60
        assert logged_in(client) is (minutes < 30)


def test_a_copy_of_the_first_cookie_ends_with_the_time_since_the_login(
    make_app: Callable[..., Flask], app: Flask, user: User
) -> None:
    client = make_app(SESSION_IDLE_MINUTES=30).test_client()
    login(client, user)
    with client.session_transaction() as content:
        assert abs(content["_seen"] - time.time()) < 60
        assert content["_began"] == content["_seen"]


def test_a_cookie_from_before_the_variable_was_set_is_not_expired(
    make_app: Callable[..., Flask], app: Flask, client: FlaskClient, user: User
) -> None:
    login(client, user)
    later = make_app(SESSION_IDLE_MINUTES=30, SECRET_KEY=app.secret_key).test_client()
    later.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie(client))
    assert logged_in(later)
    with later.session_transaction() as content:
        assert abs(content["_seen"] - time.time()) < 60


# What the cookie is called


@pytest.mark.parametrize(
    ("settings", "strict"),
    [
        ({}, True),
        ({"APPLICATION_ROOT": "/"}, True),
        ({"SESSION_COOKIE_PATH": "/"}, True),
        ({"SESSION_COOKIE_SECURE": "0"}, False),
        ({"SESSION_COOKIE_SECURE": False}, False),
        ({"APPLICATION_ROOT": "/app"}, False),
        ({"SESSION_COOKIE_PATH": "/app"}, False),
        ({"SESSION_COOKIE_DOMAIN": "example.org"}, False),
        ({"DEBUG": True}, False),
        ({"TESTING": True}, False),
    ],
    ids=str,
)
def test_the_cookie_is_the_host_s_where_browsers_accept_that(settings: dict[str, object], strict: bool) -> None:
    secure = {"SECRET_KEY": "correct-horse-battery-staple-0123456789", "SESSION_COOKIE_SECURE": "1"}
    name = str(load_config(secure | settings)["SESSION_COOKIE_NAME"])
    slug = name.removeprefix("__Host-").removesuffix("_session")
    assert name == (f"__Host-{slug}" if strict else f"{slug}_session")
    assert slug.replace("-", "_").isidentifier()


def test_a_name_of_one_s_own_is_kept() -> None:
    settings = {"SECRET_KEY": "correct-horse-battery-staple-0123456789", "SESSION_COOKIE_NAME": "mine"}
    assert load_config(settings)["SESSION_COOKIE_NAME"] == "mine"


def test_the_cookie_is_set_once_and_not_at_every_answer(client: FlaskClient, user: User) -> None:
    answer = login(client, user)
    assert "Expires=" in answer.headers["Set-Cookie"]
    client.get("/")
    assert "Set-Cookie" not in client.get("/").headers
