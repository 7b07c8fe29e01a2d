from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from flask_migrate import stamp
from markupsafe import escape
from sqlalchemy import event
from werkzeug.exceptions import HTTPException

from app import dblog
from app.accounts.models import User
from app.database import db

from .conftest import login

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PROGRAM = {"Accept": "application/json"}


# Index


def test_the_index_welcomes_visitors(client: FlaskClient, app: Flask) -> None:
    page = client.get("/").text
    assert f"<h1>{escape(app.config['SITE_NAME'])}</h1>" in page
    assert "/demo" not in page
    assert "first admin" not in page


def test_the_index_in_debug_says_what_to_do_next(client: FlaskClient, app: Flask) -> None:
    app.debug = True
    page = client.get("/").text
    for link in ("/login", "/demo", "/logs", "/healthz", "/readyz"):
        assert f'href="{link}"' in page
    assert "Create the first admin" in page


def test_the_index_knows_when_there_is_an_admin(client: FlaskClient, app: Flask, admin: User) -> None:
    app.debug = True
    assert "first admin" not in client.get("/").text


# Alive, ready


def test_a_new_project_is_alive_and_ready(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json == {"status": "ok", "migrations": "current", "log": "ok"}


def test_without_its_tables_it_is_not_ready(client: FlaskClient, app: Flask) -> None:
    with app.app_context():
        stamp(revision="0001_users")
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json == {"status": "unavailable", "migrations": "behind", "log": "ok"}


def test_without_its_database_it_is_alive_but_not_ready(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    client = make_app(DATABASE_URL=f"sqlite:///{tmp_path}").test_client()
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json == {"status": "unavailable", "migrations": "unreachable", "log": "ok"}


def test_trouble_with_the_log_alone_takes_no_site_down(
    app: Flask, make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    degraded = make_app(LOG_DATABASE_URL=f"sqlite:///{tmp_path}")
    client = degraded.test_client()
    client.get("/")
    degraded.logger.error("This one has to wait")
    assert not dblog.flush(timeout=2)
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json == {"status": "degraded", "migrations": "current", "log": "degraded"}


def test_a_journal_that_cannot_be_read_takes_no_site_down(
    app: Flask, make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    site = make_app(LOG_JOURNAL_DIR=tmp_path / "file" / "journal")
    site.logger.error("Kept in memory")
    assert dblog.flush(timeout=20)
    ready = site.test_client().get("/readyz")
    assert ready.status_code == 200
    assert ready.json == {"status": "degraded", "migrations": "current", "log": "degraded"}
    status = site.test_cli_runner().invoke(args=["log", "status"])
    assert status.exit_code == 1
    assert "the journal cannot be written" in status.stdout


# Error pages


@pytest.fixture
def failing(app: Flask) -> FlaskClient:
    """Return a client of the application, with pages that fail in every way."""

    @app.get("/fail/<int:code>")
    @app.get("/fail/<int:code>.json")
    def fail(code: int) -> str:
        abort(code)

    @app.get("/raise")
    def bug() -> str:
        raise ZeroDivisionError("the secret of the bug")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app.test_client()


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 413, 429, 500, 503])
def test_an_error_has_a_page_that_names_the_request(failing: FlaskClient, code: int) -> None:
    answer = failing.get(f"/fail/{code}", headers=BROWSER)
    assert answer.status_code == code
    assert answer.mimetype == "text/html"
    assert f"<small>{code}</small>" in answer.text
    assert f"<code>{answer.headers['X-Request-ID']}</code>" in answer.text


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 429, 500, 503])
def test_an_error_is_json_for_programs(failing: FlaskClient, code: int) -> None:
    for answer in (failing.get(f"/fail/{code}", headers=PROGRAM), failing.get(f"/fail/{code}.json")):
        assert answer.status_code == code
        assert answer.json is not None
        assert answer.json["status"] == code
        assert answer.json["request_id"] == answer.headers["X-Request-ID"]
        assert answer.json["error"]
        assert answer.json["message"]


@pytest.mark.parametrize("accept", ["*/*", "", "text/html, application/json", "text/*"])
def test_json_is_for_those_who_ask_for_it(client: FlaskClient, accept: str) -> None:
    assert client.get("/absent", headers={"Accept": accept}).mimetype == "text/html"


def test_an_unhandled_exception_tells_the_visitor_nothing(failing: FlaskClient) -> None:
    answer = failing.get("/raise")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert answer.headers["X-Request-ID"] in answer.text


def test_the_error_page_asks_no_database(failing: FlaskClient, app: Flask, admin: User) -> None:
    login(failing, admin)
    seen: list[str] = []
    with app.app_context():
        engine = db.engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    for path in ("/raise", "/fail/503", "/absent"):
        assert "Back to the start" in failing.get(path).text
    assert seen == []


def test_a_page_without_its_tables_is_an_error_page(failing: FlaskClient, app: Flask) -> None:
    with app.app_context():
        db.drop_all(bind_key=None)
    answer = failing.post("/login", data={})
    assert answer.status_code == 400
    assert failing.get("/login").status_code == 500


def test_the_reason_given_is_the_one_that_is_read(app: Flask, client: FlaskClient) -> None:
    @app.get("/closed")
    def closed() -> str:
        abort(403, "The office opens at <nine>.")

    assert "The office opens at &lt;nine&gt;." in client.get("/closed").text


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    answer = client.get("/logout")
    assert answer.status_code == 405
    assert answer.allow
    assert "POST" in answer.allow


def test_a_form_without_its_token_is_refused_with_a_sentence(client: FlaskClient) -> None:
    answer = client.post("/login", data={"username": "ada"})
    assert answer.status_code == 400
    assert "The CSRF token is missing. Go back, reload the page" in answer.text
    again = client.post("/login", headers=PROGRAM)
    assert again.status_code == 400
    assert again.json is not None
    assert "CSRF" in again.json["message"]


def test_a_body_too_large_is_refused(client: FlaskClient, app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 10
    answer = client.post("/login", data={"username": "x" * 100})
    assert answer.status_code == 413
    assert "larger than this site accepts" in answer.text


def test_a_host_that_is_not_ours_is_refused(client: FlaskClient, app: Flask) -> None:
    app.config["TRUSTED_HOSTS"] = ["example.org"]
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"Host": "example.org"}).status_code == 200


def test_errors_of_a_status_of_ones_own_have_a_page_too(app: Flask, client: FlaskClient) -> None:
    class Teapot(HTTPException):
        code = 418
        description = "Short and stout."

    @app.get("/teapot")
    def teapot() -> str:
        raise Teapot

    answer = client.get("/teapot")
    assert answer.status_code == 418
    assert "Short and stout." in answer.text
