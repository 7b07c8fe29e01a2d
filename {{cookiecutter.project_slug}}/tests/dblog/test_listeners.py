"""An application's listeners on every engine are not called for the log's engine, which has no request."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, g
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool

from app import dblog
from app.database import db

EVENTS = ("connect", "checkout", "checkin", "begin", "before_cursor_execute", "after_cursor_execute", "commit")
EVENTS += ("engine_connect", "handle_error", "do_execute", "do_connect", "rollback", "reset")


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Add listeners to all engines, each of which needs the request's `g`."""
    names: list[str] = []

    def listener(name: str) -> Callable[..., None]:
        def listen(*_: object) -> None:
            names.append(f"{name} of {g.tenant}")

        return listen

    listeners: list[tuple[Any, str, Callable[..., None]]] = [(Engine, name, listener(name)) for name in EVENTS]
    listeners.append((Pool, "connect", listener("connect of a pool")))
    listeners += [(Session, name, listener(name)) for name in ("after_begin", "do_orm_execute")]
    for each in listeners:
        event.listen(*each)
    yield names
    for each in listeners:
        event.remove(*each)


def test_listeners_on_every_engine_do_not_reach_the_logs(
    make_app: Callable[..., Flask], app: Flask, heard: list[str]
) -> None:
    """They reach neither a log's engine that was made before them nor one that is made after them."""
    for make in (lambda: app, make_app):
        site = make()
        heard.clear()

        def choose() -> None:
            g.tenant = "acme"

        site.before_request_funcs.setdefault(None, []).insert(0, choose)

        @site.get("/name")
        def name(site: Flask = site) -> str:
            site.logger.error("it is read")
            db.session.execute(text("SELECT 1"))
            return "read"

        assert site.test_client().get("/name").text == "read"
        assert "before_cursor_execute of acme" in heard, "they do hear of the application's own"
        assert dblog.flush(30)
        assert dblog.status(site)["error"] is None
        assert "it is read" in site.test_cli_runner().invoke(args=["log", "list"]).output
        site.extensions["dblog"].writer.close(5)
        with site.app_context():
            db.engines["log"].dispose()


def test_what_raised_is_named_where_it_was_no_database(app: Flask) -> None:
    """The listener here is on the log's engine itself."""
    with app.app_context():
        engine = db.engines["log"]

    def set_tenant(*_: Any) -> None:
        raise LookupError(g.tenant)

    event.listen(engine, "before_cursor_execute", set_tenant)
    app.logger.error("it waits")
    end = time.monotonic() + 60
    while dblog.status(app)["error"] is None and time.monotonic() < end:
        time.sleep(0.01)
    said = str(dblog.status(app)["error"])
    assert "RuntimeError: Working outside of application context" in said
    assert f"raised in set_tenant, {__file__} line " in said
    assert "database" not in said
    event.remove(engine, "before_cursor_execute", set_tenant)
    assert dblog.flush(30)
    assert dblog.status(app)["error"] is None
