"""Each application context has one session, whatever runs it, and no session is left over."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, delete, func, insert, select, update
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from app import dblog
from app.accounts import current_user, login_required
from app.accounts.models import User
from app.config import database_url
from app.database import db
from app.dblog.models import LogEntry
from app.extensions import csrf
from app.sqlite import set_up_sqlite

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
    """Return the address of a server that serves the application with a thread for each request."""

    @app.post("/write")
    @login_required
    def write() -> list[str]:
        # The view reads before it writes: this fails if others write in between.
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


@pytest.fixture(params=["two databases", "one database"])
def site(request: pytest.FixtureRequest, make_app: Callable[..., Flask], database_urls: dict[str, str]) -> Flask:
    if request.param == "one database":
        database_urls["LOG_DATABASE_URL"] = database_urls["DATABASE_URL"]
    app = make_app()
    with app.app_context():
        upgrade()
        db.session.add_all([User(username=name, password_hash="-") for name in ("ada", "eve")])
        db.session.commit()
    return app


def test_a_page_that_reads_may_write_though_another_wrote_in_between(site: Flask) -> None:
    def rename(name: str, address: str) -> None:
        db.session.scalars(select(User).filter_by(username=name)).one().email = address
        db.session.commit()

    def write_something_else(number: int) -> None:
        with site.app_context():
            rename("eve", f"eve{number}@example.org")

    @site.get("/seen/<int:number>")
    def seen(number: int) -> list[str]:
        found = names()
        with ThreadPoolExecutor(1) as another:
            another.submit(write_something_else, number).result()
        rename("ada", f"ada{number}@example.org")
        return found

    client = site.test_client()
    assert {client.get(f"/seen/{number}").status_code for number in range(200)} == {200}
    with site.app_context():
        addresses = select(User.email).order_by(User.username)
        assert db.session.scalars(addresses).all() == ["ada199@example.org", "eve199@example.org"]


def test_one_session_reads_both_databases_before_either_is_written(site: Flask) -> None:
    @site.post("/both")
    def both() -> list[int]:
        counts = [db.session.scalar(select(func.count()).select_from(model)) or 0 for model in (User, LogEntry)]
        # The log's own pages do the same when a problem is resolved.
        with db.engines["log"].begin() as log:
            log.execute(delete(LogEntry))
        db.session.add(User(username="new", password_hash="-"))
        db.session.commit()
        return [*counts, db.session.scalar(select(func.count()).select_from(User)) or 0]

    csrf.exempt(both)
    site.logger.error("for the log")
    assert dblog.flush(20)
    assert site.test_client().post("/both").json == [2, 1, 3]


def test_eight_who_add_one_at_once_lose_none(scratch: Callable[[], str]) -> None:
    url = database_url(scratch())
    counter = Table("counter", MetaData(), Column("n", Integer))
    engine = create_engine(url, pool_size=8, connect_args={"timeout": 60} if url.startswith("sqlite") else {})
    set_up_sqlite(engine)
    counter.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(counter), {"n": 0})

    def add(_: int) -> None:
        for _turn in range(25):
            with Session(engine) as session:
                n = session.scalars(select(counter.c.n).with_for_update()).one()
                session.execute(update(counter).values(n=n + 1))
                session.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    with engine.connect() as connection:
        assert connection.scalar(select(counter.c.n)) == 8 * 25
    engine.dispose()


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
