"""One session for each application context, whoever runs it, and none left over."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.serving import make_server

from app.accounts import current_user, login_required
from app.accounts.models import User
from app.database import db
from app.extensions import csrf

from .conftest import PASSWORD, csrf_token


def names() -> list[str]:
    return list(db.session.scalars(select(User.username).order_by(User.username)))


def test_two_threads_have_two_sessions(app: Flask) -> None:
    together = threading.Barrier(2)

    def work(_: int) -> tuple[int, list[str]]:
        with app.app_context():
            session = db.session()
            together.wait(timeout=10)
            return id(session), names()

    with ThreadPoolExecutor(2) as pool:
        (first, _), (second, _) = pool.map(work, range(2))
    assert first != second


def test_contexts_nest(app: Flask) -> None:
    with app.app_context():
        outer = db.session()
        with app.app_context():
            assert db.session() is not outer
        assert db.session() is outer


def test_uncommitted_work_is_gone_in_the_next_request(app: Flask, client: FlaskClient) -> None:
    @app.post("/half")
    def half() -> list[str]:
        db.session.add(User(username="half", password_hash="-"))
        db.session.flush()
        return names()

    csrf.exempt(half)

    @app.get("/names")
    def all_names() -> list[str]:
        return names()

    assert client.post("/half").json == ["half"]
    assert client.get("/names").json == []
    assert client.post("/half").json == ["half"]


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where a server with a thread for each request serves the application."""

    @app.post("/write")
    @login_required
    def write() -> list[str]:
        # Reads before it writes, which is what fails when others write in between.
        number = db.session.scalar(select(func.count()).select_from(User))
        db.session.add(User(username=f"{current_user.username}-{number}", password_hash="-"))
        db.session.commit()
        return [current_user.username]

    csrf.exempt(write)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_eight_who_write_at_once_all_succeed(app: Flask, address: str, make_user: Callable[..., User]) -> None:
    together = threading.Barrier(8)
    people = [make_user(f"person{number}").username for number in range(8)]

    def work(name: str) -> None:
        browser = build_opener(HTTPCookieProcessor(CookieJar()))
        with browser.open(f"{address}/login") as page:
            token = csrf_token(page.read().decode())
        form = {"csrf_token": token, "username": name, "password": PASSWORD}
        browser.open(f"{address}/login", urlencode(form).encode()).close()
        together.wait(timeout=30)
        for _ in range(5):
            browser.open(f"{address}/write", b"").close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, people))
    with app.app_context():
        assert len(names()) == 8 + 8 * 5
