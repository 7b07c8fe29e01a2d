"""A blueprint for programs answers in JSON, whatever they accept, and the log knows their user."""

import logging

import pytest
from flask import Blueprint, Flask, Request, abort, current_app
from flask.testing import FlaskClient
from sqlalchemy import select

from app import dblog
from app.accounts import current_user, login_required
from app.accounts.models import User
from app.accounts.users import find_user
from app.database import db
from app.dblog.models import LogEntry
from app.extensions import csrf, login_manager
from app.negotiation import answer_in_json

logger = logging.getLogger(__name__)


@pytest.fixture
def api(app: Flask, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    bp = Blueprint("api", __name__)
    answer_in_json(bp)
    csrf.exempt(bp)

    @bp.get("/me")
    @login_required
    def me() -> dict[str, str]:
        logger.warning("Somebody asks who they are")
        return {"username": current_user.username}

    @bp.get("/fail/<int:code>")
    def fail(code: int) -> str:
        abort(code)

    @bp.get("/raise")
    def raise_one() -> str:
        raise RuntimeError("on purpose")

    def load_from_token(request: Request) -> User | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return find_user(token) if scheme == "Bearer" else None

    monkeypatch.setattr(login_manager, "_request_callback", None)
    login_manager.request_loader(load_from_token)
    app.register_blueprint(bp, url_prefix="/api")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app.test_client()


@pytest.mark.parametrize("accept", ["*/*", "", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/fail/400", 400),
        ("/api/fail/403", 403),
        ("/api/raise", 500),
        ("/api/nothing", 404),
        ("/api", 404),
        ("/api/fail/x", 404),
        ("/api/me", 401),
    ],
)
def test_errors_are_json(api: FlaskClient, accept: str, path: str, status: int) -> None:
    answer = api.get(path, headers={"Accept": accept})
    assert answer.status_code == status
    assert answer.is_json
    assert answer.json["status"] == status  # type: ignore[index]  # it is JSON
    assert api.post("/api/me", headers={"Accept": accept}).json["status"] == 405  # type: ignore[index]  # it is JSON


@pytest.mark.parametrize("path", ["/nothing", "/apiary", "/account"])
def test_other_pages_are_as_before(api: FlaskClient, path: str) -> None:
    answer = api.get(path, headers={"Accept": "*/*"})
    assert answer.mimetype == "text/html"


def test_the_log_knows_whom_a_token_names(api: FlaskClient, app: Flask, user: User) -> None:
    answer = api.get("/api/me", headers={"Authorization": "Bearer ada"})
    assert answer.json == {"username": "ada"}
    assert api.get("/api/me", headers={"Authorization": "Bearer eve"}).status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert dblog.flush(30)
    with app.app_context():
        row = db.session.scalars(select(LogEntry).filter_by(message="Somebody asks who they are")).one()
        assert (row.user_id, row.is_admin) == (user.id, False)
        assert current_app.name == "app"
