"""A person is removed from the log: from rows, problems, journals and the quarantine."""

import json
import logging
import os
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import dblog
from app.accounts.models import User
from app.actor import CannotForget, any_of, forget_person
from app.database import db
from app.dblog.journal.files import QUARANTINE, quarantine
from app.dblog.models import RESOLVED, LogDecision, LogEntry, LogProblem, LogProblemUser
from app.dblog.store.forget import ASIDE
from app.dblog.viewer.decisions import Who, decide, parse_change, parse_note
from app.private_files import NO_LINKS

from ..conftest import login

logger = logging.getLogger(__name__)
IP = "198.51.100.7"
NAMES = ["ada", 'ada."quoted"@example.org']


def forget(app: Flask, user_id: int, names: list[str]) -> list[str]:
    with app.app_context():
        return forget_person(user_id, names)


def everything(app: Flask) -> str:
    models = (LogEntry, LogProblem, LogDecision, LogProblemUser)
    tables = [LogEntry.metadata.tables[model.__tablename__] for model in models]
    with app.app_context(), db.engines["log"].connect() as connection:
        return repr([[dict(row._mapping) for row in connection.execute(select(table))] for table in tables])


@pytest.fixture
def talk(app: Flask, client: FlaskClient, user: User) -> int:
    """Make records, a problem and its history that name somebody by number, name and address; return the number.

    The last record is not yet in the database.
    """

    @app.get("/talk/<name>")
    def talk(name: str) -> str:
        logger.error("It was %s, from Canada, not adam", name, extra={"who": [*NAMES, "Ada"]})
        raise RuntimeError(f"No place for {name}")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    login(client, user)
    client.get("/talk/ada?to=ada.%22quoted%22%40example.org&by=ada", environ_overrides={"REMOTE_ADDR": IP})
    logger.error("A job failed for %s", NAMES[1])
    assert dblog.flush(30)
    with app.app_context():
        with db.engines["log"].connect() as connection:
            problems = connection.scalars(select(LogProblem.id)).all()
        decide(problems, parse_note("ada knows more, and so does eve"), Who(user_id=user.id))
        decide(problems, parse_change(RESOLVED), Who(user_id=user.id + 1))
    assert "ada knows more" in everything(app)
    logger.error("Not about her")
    return user.id


def test_nothing_names_the_person_any_more(app: Flask, talk: int) -> None:
    """This includes records that are not yet in the database."""
    [sentence] = [each for each in forget(app, talk, NAMES) if "log" in each]
    assert "3 records" in sentence
    left = everything(app)
    assert "[forgotten]" in left
    assert IP not in left
    assert "example.org" not in left
    assert "It was [forgotten], from Canada, not adam" in left
    assert "RuntimeError: No place for [forgotten]" in left
    assert "'ada'" not in left.lower()
    assert "/ada" not in left
    assert "[forgotten] knows more, and so does eve" in left
    assert f"'user_id': {talk}," not in left
    assert f"'user_id': {talk + 1}," in left
    assert "to=[forgotten]&by=[forgotten]" in left
    with app.app_context():
        rows = db.session.scalars(select(LogEntry)).all()
        assert {row.user_id for row in rows} == {None}
        assert [row.extra for row in rows if row.extra] == [{"who": ["[forgotten]"] * 3}]
        assert "Not about her" in [row.message for row in rows]


def test_to_forget_again_changes_nothing(app: Flask, talk: int) -> None:
    forget(app, talk, NAMES)
    left = everything(app)
    assert any("0 records" in each for each in forget(app, talk, NAMES))
    assert everything(app) == left


@pytest.mark.parametrize("text", ["first\nada", "first\tada", "“ada”", "—ada"])
def test_a_name_that_follows_what_json_writes_with_letters_is_found(app: Flask, user: User, text: str) -> None:
    logger.error("It happened", extra={"text": text})
    assert dblog.flush(30)
    forget(app, user.id, ["ada"])
    without = text.replace("ada", "[forgotten]")
    with app.app_context():
        assert [row.extra for row in db.session.scalars(select(LogEntry)) if row.extra] == [{"text": without}]
    for ascii_alone in (True, False):
        kept = json.dumps(text, ensure_ascii=ascii_alone)
        assert json.loads(any_of(["ada"]).sub("[forgotten]", kept)) == without


@pytest.mark.parametrize("text", ["It was Ärger", "ÄRGER!", "ärger", "50% ärger/"])
def test_capitals_are_no_other_name(app: Flask, user: User, text: str) -> None:
    logger.error(text, extra={"who": text})
    logger.error("Bürger and Jürger stay")
    forget(app, user.id, ["ärger"])
    left = everything(app)
    assert "rger" not in left.lower().replace("bürger", "").replace("jürger", "")
    assert "Bürger and Jürger stay" in left


def test_many_records_are_many_steps(app: Flask, user: User) -> None:
    for number in range(450):
        logger.error("%s did it, %s", "ada" if number % 2 else "eve", number)
    assert dblog.flush(60)
    assert any("225 records" in each for each in forget(app, user.id, ["ada"]))


def test_what_no_database_took_is_made_anonymous(app: Flask, user: User) -> None:
    folder = Path(app.extensions["dblog"].journal.folder)
    theirs = {"message": "hello ada", "user_id": user.id, "request": {"ip": "198.51.100.7", "path": "/"}}
    others = {"message": "hello eve", "user_id": user.id + 1, "request": {"ip": "203.0.113.9"}}
    for number, record in enumerate((theirs, others)):
        quarantine(folder, f"{number}", record, "because")
    with (folder / QUARANTINE).open("ab") as file:
        file.write(b"torn, of ada\n")
    forget(app, user.id, ["ada"])
    first, second, third = (folder / QUARANTINE).read_text().splitlines()
    assert json.loads(first)["record"] == {
        "message": "hello [forgotten]",
        "user_id": None,
        "request": {"ip": None, "path": "/"},
    }
    assert json.loads(second)["record"] == others
    assert third == "torn, of [forgotten]"
    assert [path.name for path in folder.glob("quarantine*")] == [QUARANTINE]
    if hasattr(os, "geteuid"):
        assert (folder / QUARANTINE).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not NO_LINKS, reason="This system opens a file only by following the links to it.")
@pytest.mark.parametrize("linked", [QUARANTINE, ASIDE])
def test_a_link_in_the_quarantine_s_place_is_not_followed(app: Flask, user: User, tmp_path: Path, linked: str) -> None:
    folder = Path(app.extensions["dblog"].journal.folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"of ada\n")
    folder.mkdir(mode=0o700)
    (folder / linked).symlink_to(elsewhere)
    with pytest.raises(CannotForget, match=r"The log keeps what it has of ada: .* symbolic links"):
        forget(app, user.id, ["ada"])
    assert elsewhere.read_bytes() == b"of ada\n"
    assert not [path for path in folder.glob("quarantine*") if not path.is_symlink()]


@pytest.mark.skipif(not NO_LINKS, reason="This system opens a file only by following the links to it.")
def test_anonymous_records_are_not_written_through_a_link(app: Flask, user: User, tmp_path: Path) -> None:
    folder = Path(app.extensions["dblog"].journal.folder)
    quarantine(folder, "1", {"message": "hello ada"}, "because")
    (folder / QUARANTINE).rename(folder / ASIDE)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    (folder / QUARANTINE).symlink_to(elsewhere)
    with pytest.raises(CannotForget, match="symbolic links"):
        forget(app, user.id, ["ada"])
    assert elsewhere.read_bytes() == b""
    assert b"hello ada" in (folder / ASIDE).read_bytes()


def test_without_the_log_s_tables_nothing_is_forgotten(app: Flask, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        db.drop_all(bind_key="log")
    monkeypatch.setattr("app.dblog.store.forget.SHIP_SECONDS", 0.1)
    with pytest.raises(CannotForget, match="The log keeps what it has of ada: The log's tables are missing"):
        forget(app, user.id, ["ada"])


def test_while_records_wait_nothing_is_forgotten(app: Flask, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        db.drop_all(bind_key="log")
    logger.error("waits")
    monkeypatch.setattr("app.dblog.store.forget.SHIP_SECONDS", 0.1)
    with pytest.raises(CannotForget, match=r"Nothing was deleted, .* 1 record is still waiting"):
        forget(app, user.id, ["ada"])
