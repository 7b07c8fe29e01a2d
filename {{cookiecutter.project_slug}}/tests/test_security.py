"""The application withstands hostile bodies, texts and headers."""

import hashlib
import json
import sys
import tracemalloc
import unicodedata
from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from app.accounts.models import User
from app.accounts.users import MAX_NAME
from app.database import db
from app.extensions import csrf
from app.security import body_limit

from .conftest import KEY, PASSWORD, csrf_token, login

MB = 1024 * 1024
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


# Texts


@pytest.fixture
def normalised(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the length of each text that is normalised."""
    lengths: list[int] = []
    normalize = unicodedata.normalize

    def note(form: str, text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text)  # type: ignore[arg-type]  # as the caller says

    monkeypatch.setattr(unicodedata, "normalize", note)
    return lengths


def test_a_text_is_bounded_before_it_is_normalised(
    app: Flask, client: FlaskClient, user: User, normalised: list[int]
) -> None:
    """Normalising combining marks takes time that grows with the square of their number."""
    marks = "a" + "\u0323\u0301" * 20_000
    token = csrf_token(client.get("/login").text)
    answer = client.post("/login", data={"csrf_token": token, "username": marks, "password": "x"})
    assert f"longer than {MAX_NAME} characters" in answer.text
    app.debug = True
    assert client.get(f"/demo?name={marks[:2000]}").status_code == 200
    runner = app.test_cli_runner()
    for command in ("create", "password", "admin", "delete"):
        assert runner.invoke(args=["user", command, marks], input=f"{PASSWORD}\n{PASSWORD}\n").exit_code == 1
    assert max(normalised, default=0) <= MAX_NAME + 1


# Bodies


@pytest.fixture
def bodies(app: Flask, client: FlaskClient) -> FlaskClient:
    """Return a client of the application, with views that take bodies."""

    @app.post("/raw")
    def raw() -> str:
        return hashlib.sha256(request.get_data()).hexdigest()

    csrf.exempt(raw)

    @app.post("/own-limit")
    def own_limit() -> str:
        request.max_content_length = 3 * MB
        return str(len(request.get_data()))

    csrf.exempt(own_limit)

    @app.post("/unread")
    def unread() -> str:
        return "not looked at"

    csrf.exempt(unread)

    @app.post("/upload")
    @body_limit(4 * MB)
    def upload() -> str:
        return str(len(request.files["file"].read()))

    @app.post("/echo")
    def echo() -> ResponseReturnValue:
        return jsonify(request.get_json())

    csrf.exempt(echo)

    return client


def post_file(client: FlaskClient, path: str, size: int, **fields: str) -> TestResponse:
    """Send a file of so many bytes from memory: the client would leave a file on disk open."""
    boundary, body = encode_multipart({**fields, "file": FileStorage(BytesIO(b"x" * size), "file.bin")})
    return client.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def test_a_body_is_bounded_at_every_address(bodies: FlaskClient) -> None:
    for path, kind in (("/login", FORM), ("/raw", FORM), ("/raw", "text/plain"), ("/echo", JSON)):
        assert bodies.post(path, data=b" " * (MB + 1), content_type=kind).status_code == 413
    for path in ("/login", "/raw"):
        assert post_file(bodies, path, MB).status_code == 413
        assert bodies.post(path, data=b"&a=" * MB, content_type=FORM).status_code == 413


def fields(count: int) -> bytes:
    return b"&".join([b"a="] * count)


def test_a_form_has_so_many_fields_and_none_is_too_large(bodies: FlaskClient) -> None:
    """What is refused with 400, for want of a token, was read."""
    for count, size, status in ((1_000, 10, 400), (1_001, 10, 413), (1, 400_000, 400), (1, 600_000, 413)):
        boundary, body = encode_multipart({f"field-{number}": "x" * size for number in range(count)})
        answer = bodies.post("/login", data=body, content_type=f"multipart/form-data; boundary={boundary}")
        assert (count, size, answer.status_code) == (count, size, status)
    assert bodies.post("/login", data=fields(1_000), content_type=FORM).status_code == 400
    answer = bodies.post("/login", data=fields(1_001), content_type=FORM)
    assert answer.status_code == 413
    assert "A form may have at most 1,000 fields." in answer.text


def test_a_body_that_is_read_as_it_is_may_have_any_number_of_fields(bodies: FlaskClient) -> None:
    body = fields(2_000)
    assert bodies.post("/raw", data=body, content_type=FORM).text == hashlib.sha256(body).hexdigest()


def test_the_number_of_fields_is_a_setting(make_app: Callable[..., Flask]) -> None:
    for most, count, status in ((3, 3, 400), (3, 4, 413), (None, 2_000, 400)):
        client = make_app(MAX_FORM_PARTS=most).test_client()
        assert client.post("/login", data=fields(count), content_type=FORM).status_code == status


def test_no_body_is_read_that_nobody_wants(bodies: FlaskClient) -> None:
    """An address that does not exist, and a view that ignores the body, leave the body unread."""
    for path, status in (("/absent", 404), ("/unread", 200), ("/", 405)):
        stream = BytesIO(b"a=b&" * MB)
        answer = bodies.post(path, input_stream=stream, content_type=FORM)
        assert (path, answer.status_code) == (path, status)
        assert stream.tell() == 0


def test_a_view_that_is_exempt_finds_its_body_as_it_was_sent(bodies: FlaskClient) -> None:
    body = b"payload=%7B%22a%22%3A1%7D&again=\x00"
    answer = bodies.post("/raw", data=body, content_type=FORM)
    assert answer.text == hashlib.sha256(body).hexdigest()
    assert bodies.post("/own-limit", data=b"x" * 2 * MB, content_type="text/plain").text == str(2 * MB)
    assert bodies.post("/own-limit", data=b"x" * 4 * MB, content_type="text/plain").status_code == 413


@pytest.mark.parametrize(("path", "kind"), [("/raw", FORM), ("/raw", "text/plain"), ("/login", FORM)])
def test_a_body_of_unknown_length_is_refused_not_cut(bodies: FlaskClient, path: str, kind: str) -> None:
    """The server tells where the body ends, as gunicorn does for a body in chunks."""
    chunked = {"wsgi.input_terminated": True}

    def send(size: int) -> int:
        stream = BytesIO(b"a" * size)
        return bodies.post(path, input_stream=stream, content_type=kind, environ_overrides=chunked).status_code

    assert send(MB + 1) == 413
    assert send(MB) != 413


def test_a_view_says_how_much_it_takes(bodies: FlaskClient, user: User) -> None:
    token = csrf_token(bodies.get("/login").text)
    assert post_file(bodies, "/upload", 3 * MB, csrf_token=token).text == str(3 * MB)
    assert post_file(bodies, "/upload", 5 * MB, csrf_token=token).status_code == 413
    assert post_file(bodies, "/login", 3 * MB, csrf_token=token).status_code == 413
    # It is refused because it has no token, not because of its size.
    assert post_file(bodies, "/upload", 3 * MB).status_code == 400


def test_the_largest_body_costs_little_memory(bodies: FlaskClient) -> None:
    bodies.post("/login", data={"a": "b"})
    tracemalloc.start()
    try:
        # The last is refused for want of a token, so it was read.
        for body, said in ((b"&a=", "at most 1,000 fields"), (b"%", "not urlencoded"), (b"%41", "CSRF token")):
            assert said in bodies.post("/login", data=(body * MB)[: MB - 1], content_type=FORM).text
        assert tracemalloc.get_traced_memory()[1] < 100 * MB
    finally:
        tracemalloc.stop()


# Characters that a database cannot store


@pytest.mark.parametrize("path", ["/?q=%00", "/login?next=/%00", "/?%00=1"])
def test_what_reaches_no_database_is_no_matter(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200
    assert client.get("/absent/%00").status_code == 404


def test_a_nul_that_would_reach_a_database_is_refused(
    app: Flask, client: FlaskClient, user: User, caplog: pytest.LogCaptureFixture
) -> None:
    @app.post("/second")
    def second() -> str:
        db.session.add(User(username=request.values.getlist("name")[-1], password_hash="-"))
        db.session.commit()
        return "stored"

    csrf.exempt(second)

    @app.post("/json")
    def from_json() -> str:
        db.session.add_all(User(username=name, password_hash="-") for name in request.get_json())
        db.session.commit()
        return "stored"

    csrf.exempt(from_json)

    token = csrf_token(client.get("/login").text)
    refused = [
        client.post("/login", data={"csrf_token": token, "username": "ada\0", "password": "x"}),
        client.post("/second", data={"name": ["fine", "b\0b"]}),
        client.post("/second?name=fine&name=b%00b"),
        client.post("/json", json=["bob", "b\0b"]),
        client.post("/json", data='["bob", "\\ud800"]', content_type=JSON),
    ]
    for answer in refused:
        assert answer.status_code == 400
        assert "NUL character" in answer.text
    with app.app_context():
        assert db.session.query(User.username).all() == [("ada",)]
    assert client.post("/second", data={"name": ["fine", "😀"]}).text == "stored"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# JSON


@pytest.mark.parametrize(
    "body",
    [
        "true", "null", "5", '"x"', "[]", "[[1, 2]]", '[["username", "x"]]', "NaN", "{", "[" * 200_000, "1" * 6000,
        '{"username": 5, "password": 6}', '{"username": "\\ud800", "password": "x"}', '{"\\u0000": "x"}',
        '{"username": "\\u0000", "password": "x"}', '{"username": ["a"], "password": {"b": 1}}', "\xff",
    ],
)  # fmt: skip
def test_json_that_no_form_can_be_is_refused(app: Flask, client: FlaskClient, user: User, body: str) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    headers = {"X-CSRFToken": csrf_token(client.get("/login").text)}
    answer = client.post("/login", data=body.encode("latin-1"), content_type=JSON, headers=headers)
    assert answer.status_code == 400


def test_a_form_may_still_be_sent_as_json(client: FlaskClient, user: User) -> None:
    headers = {"X-CSRFToken": csrf_token(client.get("/login").text)}
    answer = client.post("/login", json={"username": "ada", "password": PASSWORD}, headers=headers)
    assert answer.status_code == 302


def test_json_nested_without_end_is_a_mistake_of_the_sender(bodies: FlaskClient) -> None:
    answer = bodies.post("/echo", data="[" * (sys.getrecursionlimit() * 100), content_type=JSON)
    assert answer.status_code == 400
    assert bodies.post("/echo", data=json.dumps([[1]]), content_type=JSON).json == [[1]]


# Headers


@pytest.fixture
def served(make_app: Callable[..., Flask], app: Flask) -> FlaskClient:
    """Return a client of the application as a server makes it, with tables."""
    return make_app(TESTING=False, DEBUG=False, SECRET_KEY=KEY, LOG_FILE="", TRUSTED_HOSTS="localhost").test_client()


def test_what_browsers_are_told_outside_debug(served: FlaskClient, user: User) -> None:
    page = served.get("/login", base_url="https://localhost")
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    cookie = page.headers["Set-Cookie"]
    assert "; Secure" in cookie
    assert "; HttpOnly" in cookie
    assert "; SameSite=Lax" in cookie
    assert served.application.config["REMEMBER_COOKIE_SECURE"] is True
    assert "Strict-Transport-Security" not in served.get("/login").headers


def test_no_strict_transport_where_it_is_off_or_in_debug(make_app: Callable[..., Flask]) -> None:
    for config in ({"HSTS_SECONDS": 0}, {"DEBUG": True}):
        answer = make_app(**config).test_client().get("/healthz", base_url="https://localhost")
        assert "Strict-Transport-Security" not in answer.headers


def test_a_page_says_what_to_set_when_a_secure_cookie_cannot_come_back(served: FlaskClient, user: User) -> None:
    """Over http a browser never sends a secure cookie, so the session never has a token."""
    answer = served.post("/login", data={"csrf_token": "x", "username": "ada", "password": PASSWORD})
    assert answer.status_code == 400
    for way in ("over https", "PROXY_HOPS=1", "X-Forwarded-Proto", "SESSION_COOKIE_SECURE=0"):
        assert way in answer.text
    secure = served.post("/login", base_url="https://localhost", data={"csrf_token": "x"})
    assert "SESSION_COOKIE_SECURE" not in secure.text


def test_a_page_says_what_to_set_when_a_proxy_drops_the_port(served: FlaskClient, user: User) -> None:
    site = "https://localhost"
    token = csrf_token(served.get("/login", base_url=site).text)
    form = {"csrf_token": token, "username": "ada", "password": PASSWORD}
    answer = served.post("/login", base_url=site, data=form, headers={"Referer": "https://localhost:8443/login"})
    assert answer.status_code == 400
    for fact in ("localhost:8443", "proxy_set_header Host $http_host"):
        assert fact in answer.text
    answer = served.post("/login", base_url=site, data=form, headers={"Referer": f"{site}/login"})
    assert answer.status_code == 302


@pytest.mark.parametrize("referrer", ["https://[", "https://localhost:port/", "https://localhost:99999/", "", "\xff"])
def test_a_referrer_that_is_no_address(served: FlaskClient, user: User, referrer: str) -> None:
    token = csrf_token(served.get("/login", base_url="https://localhost").text)
    answer = served.post(
        "/login", base_url="https://localhost", data={"csrf_token": token}, headers={"Referer": referrer}
    )
    assert answer.status_code == 400


def test_a_view_says_itself_what_may_be_cached(app: Flask, client: FlaskClient, admin: User) -> None:
    @app.get("/cached")
    def cached() -> Response:
        response = app.make_response(str(db.session.get(User, admin.id)))
        response.cache_control.private = True
        response.cache_control.max_age = 60
        return response

    login(client, admin)
    assert client.get("/cached").headers["Cache-Control"] == "private, max-age=60"
    for path in ("/", "/logs"):
        assert client.get(path).headers["Cache-Control"] == "no-store"
    for path, control in (("/logs/static/log.css", "no-cache, private"), ("/static/site.css", "no-cache")):
        with client.get(path) as answer:
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, control)
