"""The demo works with the log in a database of its own and in the application's."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app import dblog
from app.accounts.models import User
from app.database import db
from app.dblog.models import LogEntry

from .conftest import csrf_token, login


@pytest.fixture(params=["two databases", "one database"])
def database_urls(scratch: Callable[[], str], request: pytest.FixtureRequest) -> dict[str, str]:
    first = scratch()
    return {"DATABASE_URL": first, "LOG_DATABASE_URL": scratch() if request.param == "two databases" else first}


@pytest.fixture
def demo(app: Flask, client: FlaskClient, admin: User) -> FlaskClient:
    app.debug = True
    login(client, admin)
    return client


def press(client: FlaskClient, path: str) -> TestResponse:
    page = client.get("/demo").text
    assert f'action="{path}"' in page
    return client.post(path, data={"csrf_token": csrf_token(page)}, follow_redirects=True)


def linked_row(client: FlaskClient, page: str) -> str:
    """Return the page of the log row that this page links to."""
    link = re.search(r'href="(/logs/\d+)"', page)
    assert link, page
    return client.get(link[1]).text


@pytest.mark.parametrize("path", ["/demo", "/demo/warning", "/demo/exception", "/demo/transaction"])
def test_there_is_no_demo_outside_debug(app: Flask, client: FlaskClient, path: str) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    answer = client.get(path) if path == "/demo" else client.post(path)
    assert answer.status_code == 404


def test_demo_of_a_warning(demo: FlaskClient) -> None:
    page = press(demo, "/demo/warning").text
    assert "The coffee is running low" in linked_row(demo, page)


def test_demo_of_an_exception(demo: FlaskClient, app: Flask) -> None:
    with pytest.raises(RuntimeError, match="on purpose"):
        press(demo, "/demo/exception")
    assert dblog.flush(timeout=10)
    with app.app_context():
        entries = db.session.scalars(select(LogEntry).where(LogEntry.path == "/demo/exception"))
        assert [entry.exception for entry in entries] == ["RuntimeError"]


def test_demo_of_a_transaction_that_fails_half_way(demo: FlaskClient, app: Flask) -> None:
    page = press(demo, "/demo/transaction").text
    assert "That should not be" not in page
    name = re.search(r"No user <code>(half-way-\w+)</code>", page)
    assert name, page
    assert name[1] in linked_row(demo, page)
    with app.app_context():
        assert db.session.scalars(select(User.username)).all() == ["grace"]
