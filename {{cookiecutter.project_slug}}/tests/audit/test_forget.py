"""A person is removed from the trail, and together with the account from all other places, too."""

import json
import logging
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import select, text, update

from app.accounts.models import User
from app.audit.models import AuditEntry
from app.database import db, utcnow
from app.dblog.models import LogEntry

from ..conftest import login


def entries(app: Flask) -> list[AuditEntry]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def test_a_deleted_account_is_forgotten(app: Flask, client: FlaskClient, runner: FlaskCliRunner, admin: User) -> None:
    runner.invoke(
        args=["user", "create", "Ada", "--email", "Ada@Example.org", "--password-stdin"],
        input="correct horse battery staple\n",
    )
    with app.app_context():
        ada = db.session.scalars(select(User).filter_by(username="ada")).one()
        db.session.expunge(ada)
    login(client, ada)
    client.get("/logs")
    result = runner.invoke(args=["user", "delete", "ada", "--forget"])
    assert result.exit_code == 0, result.output
    assert "Deleted ada." in result.stdout
    assert "The trail " in result.stdout
    assert result.stdout.count("What is left:") == 1
    assert "What is left: lines in app.log" in result.stdout
    assert "backups" in result.stdout
    found = entries(app)
    values = json.dumps([entry.changes for entry in found])
    assert '"ada' not in values.lower()
    # an entry for the insert and one for the delete, each with name and address
    assert values.count("[forgotten]") == 4
    assert {(entry.user_id, entry.ip) for entry in found if entry.user_id == ada.id} == set()
    assert {entry.ip for entry in found} == {None}
    assert "grace" in values


def test_where_a_part_cannot_be_forgotten_the_same_command_finishes(
    app: Flask, runner: FlaskCliRunner, user: User
) -> None:
    logging.getLogger("shop").error("ada was here")
    with app.app_context():
        db.session.execute(update(User).values(email="ada@example.org"))
        db.session.commit()
        db.session.execute(text("ALTER TABLE audit_entry RENAME TO away"))
        db.session.commit()
    failed = runner.invoke(args=["user", "delete", "ada", "--forget"])
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("Error: The log ")
    assert ". The trail keeps what it has of ada: " in failed.stderr
    assert failed.stderr.endswith("ada is logged out everywhere, but not deleted yet: run the same command again.\n")
    with app.app_context():
        assert db.session.scalars(select(LogEntry.message)).all() == ["[forgotten] was here"]
        db.session.execute(text("ALTER TABLE away RENAME TO audit_entry"))
        db.session.commit()
    done = runner.invoke(args=["user", "delete", "ada", "--forget"])
    assert done.exit_code == 0, done.output
    assert "Deleted ada." in done.stdout
    assert "ada" not in json.dumps([entry.changes for entry in entries(app)])
    with app.app_context():
        assert db.session.get(User, user.id) is None


def test_a_deletion_names_nobody_at_any_moment(
    app: Flask, runner: FlaskCliRunner, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is deleted last: a step that failed after it could not be repeated."""
    monkeypatch.setattr("app.accounts.cli.forget_person", lambda _user_id, _names: [])
    runner.invoke(args=["user", "delete", "ada", "--forget"])
    assert entries(app)[-1].changes["username"] == ["[forgotten]", None]


def test_without_the_word_the_trail_keeps_the_name(app: Flask, runner: FlaskCliRunner, user: User) -> None:
    assert runner.invoke(args=["user", "delete", "ada"]).stdout == "Deleted ada.\n"
    assert entries(app)[-1].changes["username"] == ["ada", None]


def test_an_account_stays_if_the_log_cannot_forget(app: Flask, runner: FlaskCliRunner, user: User) -> None:
    with app.app_context():
        db.drop_all(bind_key="log")
    result = runner.invoke(args=["user", "delete", "ada", "--forget"])
    assert result.exit_code == 1
    assert "flask db upgrade" in result.stderr
    assert "Deleted" not in result.output
    with app.app_context():
        assert db.session.get(User, user.id)


# Who logged in


def test_logins_and_logouts_are_in_the_trail(app: Flask, client: FlaskClient, user: User) -> None:
    login(client, user)
    client.application.config["WTF_CSRF_ENABLED"] = False
    client.post("/logout")
    made, ended = (entry for entry in entries(app) if entry.model == "UserSession")
    assert (made.action, made.user_id, made.ip) == ("insert", user.id, "127.0.0.1")
    assert made.changes["user_id"] == [None, user.id]
    assert made.changes.keys() <= {"id", "user_id", "created_at"}
    assert (ended.action, ended.user_id) == ("delete", user.id)


def test_failed_logins_write_nothing_into_the_application_s_database(
    app: Flask, client: FlaskClient, user: User
) -> None:
    before = len(entries(app))
    for name in ("ada", "nobody"):
        login(client, User(username=name), "wrong")
    assert len(entries(app)) == before


def test_changes_of_passwords_and_admins_are_in_the_trail(app: Flask, runner: FlaskCliRunner, user: User) -> None:
    runner.invoke(args=["user", "admin", "ada"])
    runner.invoke(args=["user", "password", "ada", "--password-stdin"], input="elpats yrettab esroh\n")
    admin, password = entries(app)[-2:]
    assert admin.changes == {"is_admin": [False, True]}
    assert password.changes == {"password_hash": ["[masked]", "[masked]"]}


# Pruning


def test_the_configuration_says_what_is_pruned(app: Flask, runner: FlaskCliRunner, user: User) -> None:
    result = runner.invoke(args=["audit", "prune"])
    assert result.exit_code == 2
    assert "AUDIT_RETENTION_DAYS is 0" in result.stderr
    app.config["AUDIT_RETENTION_DAYS"] = 30
    with app.app_context():
        for days in (31, 29):
            old = {"created_at": utcnow() - timedelta(days=days), "action": "update", "changes": {}}
            db.session.add(AuditEntry(**old, model="Book", object_id=str(days)))
        db.session.commit()
    assert runner.invoke(args=["audit", "prune"]).stdout == "Deleted 1 entry.\n"
    assert [entry.object_id for entry in entries(app) if entry.model == "Book"] == ["29"]
