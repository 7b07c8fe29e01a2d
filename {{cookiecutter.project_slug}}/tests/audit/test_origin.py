"""An entry names who made a change and in which request or job, from the request's beginning to its end."""

from collections.abc import Iterator

from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy import select

from app import dblog
from app.accounts.models import User
from app.audit.models import AuditEntry
from app.database import db

from ..conftest import login


def add(app: Flask, name: str) -> None:
    with app.app_context():
        db.session.add(User(username=name, password_hash="x"))
        db.session.commit()


def origins(app: Flask) -> dict[str, tuple[str | None, int | None, str | None]]:
    """Return request, user and address of each account's entry, by the account's name."""
    with app.app_context():
        found = db.session.scalars(select(AuditEntry).filter_by(action="insert", model="User"))
        return {each.changes["username"][1]: (each.request_id, each.user_id, each.ip) for each in found}


def test_a_request_is_named_in_all_its_parts(app: Flask, client: FlaskClient, admin: User) -> None:
    @app.get("/everywhere")
    def everywhere() -> Response:
        add(app, "nested")

        def parts() -> Iterator[bytes]:
            add(app, "streamed")
            yield b"part"

        response = Response(parts())
        response.call_on_close(lambda: add(app, "closed"))
        return response

    login(client, admin)
    app.config["PROXY_HOPS"] = 1
    with client.get("/everywhere", headers={"X-Request-ID": "r-1"}, environ_overrides={"REMOTE_ADDR": "192.0.2.1"}):
        pass
    add(app, "outside")
    found = origins(app)
    assert [found[name] for name in ("nested", "streamed", "closed")] == [("r-1", admin.id, "192.0.2.1")] * 3
    assert found["outside"] == ("system", None, None)


def test_a_job_is_named_and_leads_to_what_it_logged(app: Flask, client: FlaskClient, admin: User) -> None:
    @dblog.job
    def send_mail(name: str) -> None:
        add(app, name)
        app.logger.error("sent to %s", name)

    send_mail("ada")
    assert origins(app)["ada"] == ("job:send_mail", None, None)
    assert dblog.flush(60)
    login(client, admin)
    assert 'href="/logs?request=job:send_mail"' in client.get("/audit?request=job:send_mail").text
    assert "sent to ada" in client.get("/logs?request=job:send_mail").text
    assert "job:send_mail" in client.get("/audit").text


def test_styles_are_in_the_head_before_anything_is_painted(client: FlaskClient, admin: User) -> None:
    login(client, admin)
    head, _, body = client.get("/audit").text.partition("</head>")
    assert "audit.css" in head
    assert "stylesheet" not in body
