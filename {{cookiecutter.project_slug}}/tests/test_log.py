"""A short test of the log; tests/dblog has the thorough ones."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import dblog
from app.accounts.models import User
from app.database import db
from app.dblog.models import LogEntry
from app.extensions import csrf

from .conftest import login


@pytest.fixture
def app(app: Flask) -> Flask:
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.post("/half-way")
    def half_way() -> str:
        db.session.add(User(username="half-way", password_hash="none"))
        db.session.flush()
        app.logger.warning("The first half is done")
        raise RuntimeError("The second half failed")

    csrf.exempt(half_way)
    return app


def test_records_outlive_the_rollback(app: Flask, client: FlaskClient, admin: User) -> None:
    login(client, admin)
    answer = client.post("/half-way")
    assert answer.status_code == 500
    assert dblog.flush(30)
    request = answer.headers["X-Request-ID"]
    entries = client.get(f"/logs.json?request={request}").get_json()["entries"]
    assert [entry["message"] for entry in entries] == ["Exception on /half-way [POST]", "The first half is done"]
    assert {entry["user_id"] for entry in entries} == {admin.id}
    assert "The second half failed" in client.get(f"/logs/{entries[0]['id']}").text
    with app.app_context():
        assert db.session.scalar(select(User).where(User.username == "half-way")) is None
        assert db.session.scalars(select(LogEntry.message)).all()


def test_the_log_is_for_admins(client: FlaskClient, user: User) -> None:
    assert client.get("/logs").status_code == 302
    login(client, user)
    assert client.get("/logs").status_code == 403
