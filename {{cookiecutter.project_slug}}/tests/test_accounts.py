import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask, g, session
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import Forbidden, Unauthorized

from app.accounts import actor, admin_required, current_user
from app.accounts.access import load_user
from app.accounts.models import User
from app.accounts.users import authenticate, create_user, find_user
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
    with app.app_context():
        assert load_user(session_id) is None


def test_pages_of_someone_logged_in_are_not_kept_by_caches(client: FlaskClient, user: User) -> None:
    assert client.get("/").headers.get("Cache-Control") != "no-store"
    login(client, user)
    assert client.get("/").headers["Cache-Control"] == "no-store"


# The first admin

AT_HOME = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost"}


@pytest.fixture
def debug_client(app: Flask) -> FlaskClient:
    app.debug = True
    return app.test_client()


def offers_first_admin(client: FlaskClient, **environ: str) -> bool:
    page = client.get("/login", environ_overrides=AT_HOME | environ).text
    if "Create the first admin" in page:
        return True
    assert "flask user create" in page
    return False


def create_first_admin(client: FlaskClient, **environ: str) -> None:
    form = {"username": "Grace", "password": PASSWORD}
    client.application.config["WTF_CSRF_ENABLED"] = False
    client.post("/login", data=form, environ_overrides=AT_HOME | environ)


def test_the_first_admin_is_made_in_the_browser(debug_client: FlaskClient) -> None:
    assert offers_first_admin(debug_client)
    create_first_admin(debug_client)
    assert logged_in(debug_client)
    with debug_client.application.app_context():
        first = find_user("grace")
        assert first is not None
        assert first.is_admin


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1", "[::1]:5000"])
def test_the_first_admin_form_is_there_under_every_name_of_this_machine(debug_client: FlaskClient, host: str) -> None:
    assert offers_first_admin(debug_client, HTTP_HOST=host)


@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"HTTP_HOST": "example.org"},
        {"HTTP_HOST": "localhost.example.org"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": ""},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_X_FORWARDED_HOST": "localhost"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
    ],
    ids=str,
)
def test_the_first_admin_form_is_for_the_developer_at_the_machine(
    debug_client: FlaskClient, environ: dict[str, str]
) -> None:
    assert not offers_first_admin(debug_client, **environ)
    create_first_admin(debug_client, **environ)
    with debug_client.application.app_context():
        assert find_user("grace") is None


def test_there_is_no_first_admin_form_outside_debug(client: FlaskClient) -> None:
    assert not offers_first_admin(client)
    create_first_admin(client)
    with client.application.app_context():
        assert find_user("grace") is None


def test_there_is_no_first_admin_form_once_somebody_has_an_account(debug_client: FlaskClient, user: User) -> None:
    assert "first admin" not in debug_client.get("/login", environ_overrides=AT_HOME).text
    create_first_admin(debug_client)
    with debug_client.application.app_context():
        assert find_user("grace") is None


def test_the_first_admin_needs_a_password(debug_client: FlaskClient) -> None:
    token = csrf_token(debug_client.get("/login", environ_overrides=AT_HOME).text)
    form = {"csrf_token": token, "username": "grace", "password": "short"}
    page = debug_client.post("/login", data=form, environ_overrides=AT_HOME).text
    assert "at least 8 characters" in page
    assert not logged_in(debug_client)


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


def test_requests_of_a_session_whose_account_is_gone_still_say_whose_it_was(app: Flask, admin: User) -> None:
    with app.test_request_context():
        session["_user_id"] = admin.get_id()
        db.session.delete(db.session.get_one(User, admin.id))
        db.session.commit()
        assert not current_user.is_authenticated
        assert actor() == (admin.id, None)


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
    lines = [line.split("\t")[:3] for line in result.stdout.splitlines()]
    assert lines == [["ada", "user", "-"], ["grace", "admin", "-"]]


def test_the_role_of_an_admin_is_given_and_taken(runner: FlaskCliRunner, app: Flask, user: User) -> None:
    given = runner.invoke(args=["user", "admin", "ada"])
    assert given.stdout == "ada is now an admin.\n"
    taken = runner.invoke(args=["user", "admin", "ada", "--revoke"])
    assert taken.stdout == "ada is no longer an admin.\n"
    with app.app_context():
        assert not db.session.get_one(User, user.id).is_admin


def test_nobody_waits_while_somebody_types_a_password(app: Flask, runner: FlaskCliRunner, user: User) -> None:
    class Typing(io.RawIOBase):
        """A terminal at which, before the password is there, a visitor of the site writes."""

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
