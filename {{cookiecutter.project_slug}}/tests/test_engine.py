"""A glance at the log and the trail; the tests of their own are in tests/dblog and tests/audit."""

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


def test_the_trail_is_in_the_transaction_of_the_change(app: Flask, client: FlaskClient, admin: User) -> None:
    login(client, admin)
    with app.app_context():
        user = db.session.get_one(User, admin.id)
        user.email = "grace@example.org"
        db.session.commit()
        user.email = "never@example.org"
        db.session.flush()
        db.session.rollback()
    page = client.get(f"/audit/User/{admin.id}").text
    assert "grace@example.org" in page
    assert "never@example.org" not in page


def test_both_are_for_admins(client: FlaskClient, user: User) -> None:
    assert client.get("/logs").status_code == client.get("/audit").status_code == 302
    login(client, user)
    assert client.get("/logs").status_code == client.get("/audit").status_code == 403
