"""A short test of the trail; tests/audit has the thorough ones."""

import re

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.accounts.models import User, UserSession
from app.audit.models import AuditEntry
from app.database import db, utcnow

from .conftest import login


def test_the_trail_is_in_the_transaction_of_the_change(app: Flask, client: FlaskClient, admin: User) -> None:
    login(client, admin)
    with app.app_context():
        user = db.session.get_one(User, admin.id)
        user.email = "grace@example.org"
        db.session.commit()
        user.email = "never@example.org"
        db.session.flush()
        db.session.rollback()
    page = client.get(f"/audit/User/{admin.id}")
    assert "grace@example.org" in page.text
    assert "never@example.org" not in page.text
    assert page.headers["Cache-Control"] == "no-store"
    [address] = re.findall(r'"(/audit/static/[^"]*)"', page.text)
    with client.get(address) as style:
        assert style.headers["Cache-Control"] == "max-age=31536000, immutable, private"


def test_a_login_does_not_end_the_old_sessions_of_others(app: Flask, client: FlaskClient, admin: User) -> None:
    """These sessions have ended before; the login only deletes their rows."""
    with app.app_context():
        long_ago = utcnow() - 2 * app.permanent_session_lifetime
        db.session.add(UserSession(user_id=admin.id, token_hash="0" * 64, browser="", created_at=long_ago))
        db.session.commit()
    login(client, admin)
    with app.app_context():
        actions = db.session.scalars(select(AuditEntry.action).where(AuditEntry.model == "UserSession"))
        assert list(actions) == ["insert", "insert"]
        assert [each.token_hash != "0" * 64 for each in db.session.scalars(select(UserSession))] == [True]


def test_the_trail_is_for_admins(client: FlaskClient, user: User) -> None:
    assert client.get("/audit").status_code == 302
    login(client, user)
    assert client.get("/audit").status_code == 403
