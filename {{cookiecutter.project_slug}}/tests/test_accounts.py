import hashlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import zxcvbn
from flask import Flask, g, session
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.security import generate_password_hash
from zxcvbn import frequency_lists

from app.accounts import actor, admin_required, current_user, first_admin, names
from app.accounts.access import load_user
from app.accounts.models import User
from app.accounts.passwords import METHOD, METHOD_OF_TESTS, matches, weakness
from app.accounts.users import AccountError, authenticate, change_password, create_user, find_user
from app.config import PROJECT
from app.database import db

from .conftest import PASSWORD, csrf_token, login

MakeUser = Callable[..., User]


def logged_in(client: FlaskClient) -> bool:
    return "Log out" in client.get("/").text


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


# Log in, log out


def test_nobody_has_an_account_in_a_new_project(app: Flask) -> None:
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 0


def test_log_in_and_out(client: FlaskClient, user: User) -> None:
    answer = login(client, user)
    assert answer.status_code == 302
    assert answer.location == "/"
    page = client.get("/").text
    assert "Log out" in page
    client.post("/logout", data={"csrf_token": csrf_token(page)})
    assert not logged_in(client)


def test_logging_out_is_never_a_link(client: FlaskClient, user: User) -> None:
    login(client, user)
    assert client.get("/logout").status_code == 405
    assert logged_in(client)


@pytest.mark.parametrize("username", ["ada", "ADA", " Ada "])
def test_a_name_is_one_however_it_is_typed(client: FlaskClient, user: User, username: str) -> None:
    token = csrf_token(client.get("/login").text)
    form = {"csrf_token": token, "username": username, "password": PASSWORD}
    assert client.post("/login", data=form).status_code == 302


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(client: FlaskClient, user: User) -> None:
    token = csrf_token(client.get("/login").text)
    answers = [
        client.post("/login", data={"csrf_token": token, "username": name, "password": "wrong"})
        for name in ("ada", "nobody")
    ]
    known, unknown = (answer.text.replace("nobody", "ada").replace(csrf_token(answer.text), "") for answer in answers)
    assert known == unknown
    assert "Wrong user name or password." in known
    assert not logged_in(client)


def test_a_wrong_name_costs_as_much_as_a_wrong_password(
    app: Flask, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    scrypt, hashed = hashlib.scrypt, []

    def counted(password: bytes, **cost: Any) -> bytes:
        hashed.append({name: value for name, value in cost.items() if name != "salt"})
        return scrypt(password, **cost)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    with app.app_context():
        assert authenticate("ada", "wrong") is None
        assert authenticate("nobody", "wrong") is None
    known, unknown = hashed
    assert known == unknown


def test_others_write_while_a_password_is_checked(
    app: Flask, client: FlaskClient, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = csrf_token(client.get("/login").text)
    scrypt, hashed = hashlib.scrypt, []

    def hash_while_another_writes(password: bytes, **cost: Any) -> bytes:
        hashed.append(password)
        with app.app_context():
            if db.engine.dialect.name == "sqlite":
                db.session.execute(text("PRAGMA busy_timeout = 0"))
            db.session.add(User(username=f"another {len(hashed)}", password_hash="none"))
            db.session.commit()
        return scrypt(password, **cost)

    monkeypatch.setattr(hashlib, "scrypt", hash_while_another_writes)
    for name, password in (("nobody", "wrong"), ("ada", "wrong"), ("ada", PASSWORD)):
        form = {"csrf_token": token, "username": name, "password": password}
        assert client.post("/login", data=form).status_code in (200, 302)
    assert len(hashed) == 3
    assert logged_in(client)


def test_nothing_planted_in_the_session_outlives_the_login(client: FlaskClient, user: User) -> None:
    with client.session_transaction() as before:
        before["planted"] = True
    anonymous_token = csrf_token(client.get("/login").text)
    login(client, user)
    with client.session_transaction() as after:
        assert "planted" not in after
    answer = client.post("/logout", data={"csrf_token": anonymous_token})
    assert answer.status_code == 400


@pytest.mark.parametrize("target", ["/demo?again=1", "/demo"])
def test_after_the_login_the_visitor_goes_on(client: FlaskClient, user: User, target: str) -> None:
    token = csrf_token(client.get("/login").text)
    form = {"csrf_token": token, "username": "ada", "password": PASSWORD}
    answer = client.post("/login", query_string={"next": target}, data=form)
    assert answer.location == target


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/\t/evil.example/",
        "/\n/evil.example/",
        "\t//evil.example/",
        "///evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "",
    ],
)
def test_the_login_leads_to_no_other_site(client: FlaskClient, user: User, target: str) -> None:
    token = csrf_token(client.get("/login").text)
    form = {"csrf_token": token, "username": "ada", "password": PASSWORD}
    answer = client.post("/login", query_string={"next": target}, data=form)
    assert answer.location == "/"
    again = client.get("/login", query_string={"next": target})
    assert again.location == "/"


def test_a_new_password_ends_the_sessions_of_the_old_one(
    client: FlaskClient, user: User, runner: FlaskCliRunner
) -> None:
    login(client, user)
    runner.invoke(args=["user", "password", "ada", "--password-stdin"], input="another one\n")
    assert not logged_in(client)


def test_a_deleted_account_is_logged_out(client: FlaskClient, user: User, runner: FlaskCliRunner) -> None:
    login(client, user)
    runner.invoke(args=["user", "delete", "ada"])
    assert not logged_in(client)


@pytest.mark.parametrize("session_id", ["", "x", "1", "1.", "-1.abc", "99999999.abc"])
def test_a_session_that_names_nobody_is_nobodys(app: Flask, user: User, session_id: str) -> None:
    with app.test_request_context():
        assert load_user(session_id) is None


def test_pages_of_someone_logged_in_are_not_kept_by_caches(client: FlaskClient, user: User) -> None:
    assert client.get("/").headers.get("Cache-Control") != "no-store"
    login(client, user)
    assert client.get("/").headers["Cache-Control"] == "no-store"


# The first admin


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the token that `flask run` prints while there is no account."""
    monkeypatch.setenv(first_admin.TOKEN, "a-token")
    return "a-token"


@pytest.fixture
def debug_client(app: Flask) -> FlaskClient:
    app.debug = True
    return app.test_client()


def create_first_admin(client: FlaskClient, name: str = "Grace", password: str = PASSWORD, token: str = "") -> str:
    client.application.config["WTF_CSRF_ENABLED"] = False
    return client.post("/login", data={"token": token, "username": name, "password": password}).text


def test_whoever_has_the_token_makes_the_first_admin(debug_client: FlaskClient, token: str) -> None:
    assert "Create the first admin" in debug_client.get("/login").text
    create_first_admin(debug_client, token=f" {token} ")
    assert logged_in(debug_client)
    with debug_client.application.app_context():
        first = find_user("grace")
        assert first is not None
        assert first.is_admin


@pytest.mark.parametrize("guess", ["", "a", "a-token2", "\u00e4"])
def test_nobody_else_makes_the_first_admin(debug_client: FlaskClient, token: str, guess: str) -> None:
    page = create_first_admin(debug_client, token=guess)
    assert "flask run printed" in page
    with debug_client.application.app_context():
        assert find_user("grace") is None


def test_there_is_no_first_admin_without_a_token(debug_client: FlaskClient) -> None:
    """A server that was not started by `flask run` prints no token."""
    page = create_first_admin(debug_client)
    assert "first admin" not in page
    assert "flask user create" in page
    with debug_client.application.app_context():
        assert find_user("grace") is None


def test_there_is_no_first_admin_outside_debug(client: FlaskClient, token: str) -> None:
    assert "first admin" not in create_first_admin(client, token=token)
    with client.application.app_context():
        assert find_user("grace") is None


def test_there_is_no_first_admin_once_somebody_has_an_account(
    debug_client: FlaskClient, token: str, user: User
) -> None:
    assert "first admin" not in create_first_admin(debug_client, token=token)
    with debug_client.application.app_context():
        assert find_user("grace") is None


def test_of_six_at_once_one_is_the_first_admin(app: Flask, token: str) -> None:
    app.debug = True
    app.config["WTF_CSRF_ENABLED"] = False
    together = threading.Barrier(6)

    def make(number: int) -> None:
        client = app.test_client()
        client.get("/login")
        together.wait(timeout=60)
        create_first_admin(client, f"admin{number}", token=token)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, range(6)))
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 1
    assert first_admin.TOKEN not in os.environ


def test_a_token_serves_again_after_a_mistake(debug_client: FlaskClient, token: str) -> None:
    assert "at least 8 characters" in create_first_admin(debug_client, password="short", token=token)
    assert not logged_in(debug_client)
    create_first_admin(debug_client, token=token)
    assert logged_in(debug_client)


# Passwords


@pytest.mark.parametrize("method", [METHOD, "scrypt:32768:8:1", "pbkdf2:sha256:1000"])
def test_a_password_is_hashed_anew_at_login_if_its_hash_is_not_today_s(
    app: Flask, client: FlaskClient, user: User, method: str
) -> None:
    with app.app_context():
        stored = db.session.get_one(User, user.id)
        stored.password_hash = generate_password_hash(PASSWORD, method=method)
        db.session.commit()
    assert login(client, user).status_code == 302
    with app.app_context():
        changed = db.session.get_one(User, user.id).password_hash
        assert changed.startswith("scrypt:1024:8:1$")
        assert authenticate("ada", PASSWORD)
        assert db.session.get_one(User, user.id).password_hash == changed
    assert logged_in(client)


def test_outside_of_tests_a_hash_has_the_cost_that_owasp_names() -> None:
    made = User(username="ada")
    made.set_password(PASSWORD)
    assert made.password_hash.startswith("scrypt:32768:8:3$")
    assert made.check_password(PASSWORD)


@pytest.mark.skipif(sys.platform != "linux", reason="The peak is in kilobytes on Linux")
def test_four_logins_at_once_take_no_more_than_four_times_32_mib() -> None:
    program = """
import resource
from concurrent.futures import ThreadPoolExecutor
from app.accounts.passwords import hash_password
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
with ThreadPoolExecutor(4) as pool:
    list(pool.map(hash_password, ["a", "b", "c", "d"]))
print(peak() - before)
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 4 * 34 * 1024


@pytest.mark.parametrize(
    "password",
    ["password", "Password1", "12345678", "qwertyuiop", "p4ssw0rd", "00000000", "abcdefgh", "trustno1", "wrinkle1"],
)
def test_a_common_password_is_refused(app: Flask, password: str) -> None:
    with app.app_context(), pytest.raises(AccountError, match="too easy to guess"):
        create_user("ada", password)


def test_the_own_name_is_no_password(app: Flask) -> None:
    with app.app_context(), pytest.raises(AccountError, match="too easy to guess"):
        create_user("wjtmzkqx", "Wjtmzkqx1")


def test_each_common_password_of_a_list_is_refused() -> None:
    listed = frequency_lists.FREQUENCY_LISTS["passwords"][:10_000:97]
    assert len(listed) > 100
    assert [each for each in listed if weakness(each, "ada") is None] == []


def test_a_long_password_costs_no_more_than_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def score(text: str, **_: object) -> dict[str, int]:
        looked_at.append(text)
        return {"score": 4}

    monkeypatch.setattr(zxcvbn, "zxcvbn", score)
    assert weakness("4@8({[<369&#!1/|0$5+7%2" * 1000, "ada") is None
    assert [len(text) for text in looked_at] == [32]


# Names


def test_names_that_differ_in_an_accent_are_two(app: Flask) -> None:
    with app.app_context():
        create_user("alice", PASSWORD, "alice@example.org")
        create_user("\u00e1lice", PASSWORD, "\u00e1lice@example.org")
        assert find_user("alice") != find_user("\u00e1lice")


def test_what_is_stored_is_the_one_spelling(app: Flask) -> None:
    """The capital with its second accent is two characters; the small letter with both accents is one."""
    typed = "\u03aa\u0301ada"
    with app.app_context():
        made = create_user(typed, PASSWORD)
        assert authenticate(typed, PASSWORD) is made
        assert authenticate(made.username, PASSWORD) is made


def test_a_long_name_is_refused_before_it_is_looked_at(client: FlaskClient, user: User) -> None:
    token = csrf_token(client.get("/login").text)
    form = {"csrf_token": token, "username": "a" + "\u0301" * 20_000, "password": PASSWORD}
    page = client.post("/login", data=form)
    assert page.status_code == 200
    assert "longer than 64 characters" in page.text


def test_the_id_of_a_deleted_account_is_not_given_again(app: Flask, make_user: MakeUser) -> None:
    first = make_user("ada")
    with app.app_context():
        db.session.delete(db.session.get_one(User, first.id))
        db.session.commit()
    assert make_user("eve").id > first.id


# Who is acting


def test_outside_of_a_request_nobody_acts(app: Flask) -> None:
    assert actor() == (None, None)
    with app.app_context():
        assert actor() == (None, None)


def test_the_actor_is_known_from_the_session_before_the_user_is_loaded(app: Flask, admin: User) -> None:
    with app.test_request_context(), statements(db.engine) as seen:
        session["_user_id"] = admin.get_id()
        assert actor() == (admin.id, None)
        assert seen == []
        assert current_user.is_admin
        assert actor() == (admin.id, True)


def test_a_visitor_is_nobody(app: Flask) -> None:
    with app.test_request_context():
        assert not current_user.is_authenticated
        assert actor() == (None, None)


def test_whoever_deletes_the_own_account_has_acted(app: Flask, admin: User) -> None:
    with app.test_request_context():
        session["_user_id"] = admin.get_id()
        db.session.delete(current_user._get_current_object())  # type: ignore[attr-defined]  # a proxy's own method
        db.session.commit()
        assert actor()[0] == admin.id


def test_a_session_that_was_found_to_be_over_is_nobodys(app: Flask, admin: User) -> None:
    with app.test_request_context():
        session["_user_id"] = f"{admin.id}.of-an-older-password"
        assert actor() == (admin.id, None), "nobody has looked yet"
        assert not current_user.is_authenticated
        with statements(db.engine) as seen:
            assert actor() == (None, None)
        assert seen == []


def test_asking_who_acts_never_loads_or_flushes(app: Flask, admin: User) -> None:
    with app.test_request_context(), statements(db.engine) as seen:
        session["_user_id"] = admin.get_id()
        assert current_user.is_authenticated
        db.session.expire_all()
        db.session.add(User(username="pending", password_hash="none"))
        seen.clear()
        assert actor() == (admin.id, None)
        assert seen == []


def test_only_admins_pass_the_guard(app: Flask, user: User, admin: User) -> None:
    with app.test_request_context("/logs?level=ERROR"):
        assert admin_required().location == "/login?next=/logs?level%3DERROR"  # type: ignore[union-attr]  # a redirect
    with app.test_request_context("/logs.json"), pytest.raises(Unauthorized):
        admin_required()
    with app.test_request_context("/logs"):
        session["_user_id"] = user.get_id()
        with pytest.raises(Forbidden):
            admin_required()
    with app.test_request_context("/logs"):
        session["_user_id"] = admin.get_id()
        assert admin_required() is None
        assert g._login_user.username == "grace"


# The commands


def test_create_reads_the_password_from_stdin(runner: FlaskCliRunner, app: Flask) -> None:
    arguments = ["user", "create", "Ada", "--email", "Ada@Example.org", "--admin"]
    result = runner.invoke(args=[*arguments, "--password-stdin"], input=f"{PASSWORD}\n")
    assert (result.exit_code, result.stdout) == (0, "Created the admin ada.\n")
    with app.app_context():
        made = find_user("ada")
        assert made is not None
        assert made.is_admin
        assert made.email == "ada@example.org"
        assert made.check_password(PASSWORD)
        assert PASSWORD not in made.password_hash


def test_create_asks_twice_and_shows_nothing(runner: FlaskCliRunner, app: Flask) -> None:
    result = runner.invoke(args=["user", "create", "ada"], input=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    with app.app_context():
        assert authenticate("ada", PASSWORD)


@pytest.mark.parametrize(
    ("arguments", "password", "sentence"),
    [
        (["create", "ADA"], PASSWORD, "The user name ada is already taken."),
        (["create", "bob", "--email", "ada@example.org"], PASSWORD, "email address is already taken"),
        (["create", "bob", "--email", "bob"], PASSWORD, "'bob' is not an email address."),
        (["create", ""], PASSWORD, "A user name has 1 to 64 visible characters"),
        (["create", "two words"], PASSWORD, "A user name has 1 to 64 visible characters"),
        (["create", "x" * 65], PASSWORD, "A user name has 1 to 64 visible characters"),
        (["create", "bob"], "", "A password has at least 8 characters."),
        (["create", "bob"], "short", "A password has at least 8 characters."),
        (["password", "ada"], "short", "A password has at least 8 characters."),
        (["password", "bob"], PASSWORD, "There is no user 'bob'"),
    ],
)
def test_a_mistake_is_one_sentence(
    runner: FlaskCliRunner, make_user: MakeUser, arguments: list[str], password: str, sentence: str
) -> None:
    make_user("ada", email="ada@example.org")
    result = runner.invoke(args=["user", *arguments, "--password-stdin"], input=f"{password}\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["admin", "delete"])
def test_a_name_nobody_has_is_said_to_be_so(runner: FlaskCliRunner, command: str) -> None:
    result = runner.invoke(args=["user", command, "bob"])
    assert result.exit_code == 1
    assert "There is no user 'bob'" in result.stderr


def test_list_names_every_account(runner: FlaskCliRunner, user: User, admin: User) -> None:
    result = runner.invoke(args=["user", "list"])
    lines = [line.split("\t")[:4] for line in result.stdout.splitlines()]
    assert lines == [[str(user.id), "ada", "user", "-"], [str(admin.id), "grace", "admin", "-"]]


def test_the_role_of_an_admin_is_given_and_taken(runner: FlaskCliRunner, app: Flask, user: User) -> None:
    given = runner.invoke(args=["user", "admin", "ada"])
    assert given.stdout == "ada is now an admin.\n"
    taken = runner.invoke(args=["user", "admin", "ada", "--revoke"])
    assert taken.stdout == "ada is no longer an admin.\n"
    with app.app_context():
        assert not db.session.get_one(User, user.id).is_admin


def test_nobody_waits_while_somebody_types_a_password(app: Flask, runner: FlaskCliRunner, user: User) -> None:
    class Typing(io.RawIOBase):
        """A terminal at which a visitor of the site writes to the database before the password is typed."""

        def __init__(self) -> None:
            self.left = [PASSWORD[::-1].encode() + b"\n"]

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if not self.left:
                return 0
            in_transaction.append(db.session().in_transaction())
            with app.app_context():
                create_user("meanwhile", PASSWORD)
            line = self.left.pop()
            buffer[: len(line)] = line
            return len(line)

    in_transaction: list[bool] = []
    typing = io.BufferedReader(Typing())
    result = runner.invoke(args=["user", "password", "ada", "--password-stdin"], input=typing)
    assert (result.exit_code, result.stdout) == (0, "Changed the password of ada.\n")
    assert in_transaction == [False]
    with app.app_context():
        assert find_user("meanwhile")
        assert authenticate("ada", PASSWORD[::-1])


@pytest.mark.parametrize("outdated", [True, False])
def test_a_login_does_not_undo_a_change_of_the_password(
    app: Flask, client: FlaskClient, user: User, monkeypatch: pytest.MonkeyPatch, outdated: bool
) -> None:
    new_password = "quite another long password"

    def slowly(password_hash: str, password: str) -> bool:
        right = matches(password_hash, password)
        with app.app_context():
            change_password(db.session.get_one(User, user.id), new_password)
        return right

    with app.app_context():
        method = "pbkdf2:sha256:1" if outdated else METHOD_OF_TESTS
        db.session.get_one(User, user.id).password_hash = generate_password_hash(PASSWORD, method)
        db.session.commit()
    with monkeypatch.context() as patch:
        patch.setattr("app.accounts.users.matches", slowly)
        assert "Wrong user name or password." in login(client, user).text
    assert not logged_in(client)
    assert login(client, user).status_code == 200
    assert login(client, user, new_password).status_code == 302


def test_without_tables_a_command_says_what_to_do(runner: FlaskCliRunner, app: Flask) -> None:
    with app.app_context():
        db.drop_all(bind_key=None)
    result = runner.invoke(args=["user", "list"])
    assert result.exit_code == 1
    assert "flask db upgrade" in result.stderr
    assert "Traceback" not in result.output


# The model


def test_a_user_shows_class_and_identity_only(app: Flask, user: User) -> None:
    with app.app_context(), statements(db.engine) as seen:
        found = db.session.get_one(User, user.id)
        db.session.expire_all()
        seen.clear()
        assert repr(found) == f"<User {user.id}>"
        assert seen == []


def test_the_database_too_refuses_a_second_account_of_one_name(app: Flask, user: User) -> None:
    with app.app_context():
        db.session.add(User(username="ADA", password_hash="none"))
        with pytest.raises(IntegrityError):
            db.session.commit()


def test_names_of_users_and_numbers_of_names(app: Flask, user: User, admin: User) -> None:
    assert app.extensions["dblog"].names is names
    with app.app_context():
        with statements(db.engine) as seen:
            assert names.of({user.id, admin.id, 2**63 - 1}) == {user.id: "ada", admin.id: "grace"}
            assert names.of([]) == {}
        assert len(seen) == 1
        assert (names.find(" ADA "), names.find("nobody"), names.find("a" * 1_000)) == (user.id, None, None)


def test_no_names_while_the_database_is_away(app: Flask, user: User) -> None:
    with app.app_context():
        db.drop_all(bind_key=None)
        assert (names.of([user.id]), names.find("ada")) == ({}, None)
