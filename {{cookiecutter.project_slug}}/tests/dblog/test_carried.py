"""The log works in other applications, wherever their data and their code are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import database, dblog
from app.dblog.models import LogEntry


@pytest.fixture
def make_foreign(tmp_path: Path) -> Iterator[Callable[[], Flask]]:
    made: list[Flask] = []

    def make() -> Flask:
        made.append(Flask("foreign", root_path=str(tmp_path), instance_path=str(tmp_path / "instance")))
        return made[-1]

    yield make
    for app in made:
        if "dblog" in app.extensions:
            app.extensions["dblog"].writer.close(10)
        if "sqlalchemy" in app.extensions:
            with app.app_context():
                for engine in app.extensions["sqlalchemy"].engines.values():
                    engine.dispose()


@pytest.fixture
def foreign(make_foreign: Callable[[], Flask]) -> Flask:
    return make_foreign()


def messages(app: Flask) -> list[str]:
    assert dblog.flush(20)
    with Session(app.extensions["dblog"].writer.engine) as log:
        return list(log.scalars(select(LogEntry.message)))


def test_data_in_memory_and_a_log_without_a_bind(foreign: Flask, tmp_path: Path) -> None:
    foreign.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    database.init_app(foreign)
    dblog.init_app(foreign)
    with foreign.app_context():
        database.db.create_all()
    foreign.logger.error("kept")
    assert messages(foreign) == ["kept"]
    assert (tmp_path / "instance/log.db").exists()


def test_data_in_memory_beside_a_database_of_ones_own(foreign: Flask, tmp_path: Path) -> None:
    foreign.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    SQLAlchemy().init_app(foreign)
    dblog.init_app(foreign)
    foreign.logger.error("kept")
    assert messages(foreign) == ["kept"]
    assert (tmp_path / "instance/log.db").exists()


def test_the_log_makes_its_tables_where_it_is_told_to(
    make_foreign: Callable[[], Flask], scratch: Callable[[], str]
) -> None:
    url = scratch()
    for times in (1, 2):
        app = make_foreign()
        app.config["LOG_DATABASE_URL"] = url
        dblog.init_app(app)
        app.logger.error("kept")
        assert messages(app) == ["kept"] * times
        app.extensions["dblog"].writer.close(10)


@pytest.mark.parametrize("init_app", [database.init_app, dblog.init_app], ids=["the bind", "LOG_DATABASE_URL"])
def test_a_log_in_memory_is_one_sentence(foreign: Flask, init_app: Callable[[Flask], None]) -> None:
    foreign.config["LOG_DATABASE_URL"] = "sqlite://"
    foreign.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///data.db"
    foreign.config["SQLALCHEMY_BINDS"] = {"log": "sqlite:///:memory:"}
    with pytest.raises(ValueError, match="lost in memory: give it a file or a server"):
        init_app(foreign)


def test_tests_leave_the_instance_folder_alone(foreign: Flask, tmp_path: Path) -> None:
    foreign.testing = True
    dblog.init_app(foreign)
    foreign.logger.error("scratch")
    assert messages(foreign) == ["scratch"]
    assert not (tmp_path / "instance").exists()


def test_the_root_is_told(foreign: Flask, tmp_path: Path) -> None:
    dblog.init_app(foreign, root=tmp_path / "src")
    assert foreign.extensions["dblog"].writer.root == f"{tmp_path}/src/"


def test_the_root_is_the_applications_own_folder_if_nobody_says(foreign: Flask, tmp_path: Path) -> None:
    dblog.init_app(foreign)
    assert foreign.extensions["dblog"].writer.root == f"{tmp_path}/"


def test_a_journal_folder_that_is_a_link_is_refused(foreign: Flask, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "journal").symlink_to(tmp_path / "elsewhere")
    foreign.config["LOG_JOURNAL_DIR"] = str(tmp_path / "journal")
    with pytest.raises(ValueError, match=r"LOG_JOURNAL_DIR: .* is a link; expected the folder itself"):
        dblog.init_app(foreign)


def test_a_log_that_is_a_link_is_refused(foreign: Flask, tmp_path: Path) -> None:
    (tmp_path / "log.db").symlink_to(tmp_path / "target")
    foreign.config["LOG_DATABASE_URL"] = f"sqlite:///{tmp_path / 'log.db'}"
    with pytest.raises(ValueError, match="it is a link"):
        dblog.init_app(foreign)
