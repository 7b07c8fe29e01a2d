"""Revisions run on two databases, and on one that application and log share."""

import ast
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import check, downgrade, upgrade
from sqlalchemy import create_engine, event, inspect, text

from app.database import db

from ..conftest import SERVER, Command

LAYOUTS = ["two databases", "one database"]
if SERVER.startswith("postgres"):
    LAYOUTS.append("a schema for the log")

APP_TABLES = {"alembic_version", "users"}
LOG_TABLES = {"alembic_version_log", "log_entry", "log_problem", "log_problem_hour", "log_problem_day"}
LOG_TABLES |= {"log_hour", "log_day"}
BOOKKEEPING = {"alembic_version", "alembic_version_log"}


def urls_for(layout: str, scratch: Callable[[], str]) -> dict[str, str]:
    first = scratch()
    if layout == "two databases":
        second = scratch()
    elif layout == "one database":
        second = first
    else:
        second = f"{first}?options=-csearch_path%3Dlog"
    return {"DATABASE_URL": first, "LOG_DATABASE_URL": second}


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_up_and_down(layout: str, scratch: Callable[[], str], make_app: Callable[..., Flask]) -> None:
    urls = urls_for(layout, scratch)
    app_url, log_url = urls["DATABASE_URL"], urls["LOG_DATABASE_URL"]
    with make_app(**urls).app_context():
        for _ in range(2):
            upgrade()
            assert tables(app_url) >= APP_TABLES
            assert tables(log_url) >= LOG_TABLES
            if app_url != log_url:
                assert not tables(app_url) & LOG_TABLES
                assert not tables(log_url) & APP_TABLES
            check()
            downgrade(revision="base")
            assert tables(app_url) | tables(log_url) == BOOKKEEPING
        with pytest.raises(SystemExit):
            check()


def test_commands_of_flask_migrate(copied: Path, flask_db: Callable[..., str]) -> None:
    assert "already exists" in flask_db("init", fails=True)
    assert "not up to date" in flask_db("check", fails=True)
    flask_db("stamp", "head")
    assert flask_db("current").count("(head)") == 2
    assert "0001_users" in flask_db("history")
    assert "(head)" in flask_db("heads")
    flask_db("revision", "-m", "another beginning", "--head", "base")
    assert "flask db merge heads" in flask_db("upgrade", fails=True)
    flask_db("merge", "-m", "both", "heads")
    flask_db("upgrade")
    assert flask_db("current").count("(mergepoint)") == 2


def test_two_databases_have_two_scripts(copied: Path, flask_db: Callable[..., str]) -> None:
    said = flask_db("upgrade", "--sql", fails=True)
    assert "-x bind=default" in said
    assert "CREATE TABLE" not in said
    script = flask_db("upgrade", "--sql", "-x", "bind=default")
    assert "CREATE TABLE users" in script
    assert "log_entry" not in script
    script = flask_db("upgrade", "--sql", "-x", "bind=log")
    assert "CREATE TABLE alembic_version_log" in script
    assert "CREATE TABLE log_entry" in script
    assert "CREATE TABLE users" not in script
    assert "no bind 'lgo'" in flask_db("upgrade", "-x", "bind=lgo", fails=True)


def test_one_database_has_one_script(copied: Path, command: Command, database_urls: dict[str, str]) -> None:
    script = command("flask", "db", "upgrade", "--sql", LOG_DATABASE_URL=database_urls["DATABASE_URL"]).stdout
    assert script.index("CREATE TABLE users") < script.index("CREATE TABLE log_entry")


def test_a_long_revision_id(copied: Path, flask_db: Callable[..., str]) -> None:
    name = "1000_" + "a_sentence_in_the_shipped_style_" * 4
    flask_db("upgrade")
    flask_db("revision", "-m", "long", "--rev-id", name[:128])
    flask_db("upgrade")
    assert flask_db("current").count(name[:128]) == 2
    flask_db("downgrade")
    flask_db("upgrade")


def test_a_percent_sign_in_the_path(copied: Path, flask_db: Callable[..., str], command: Command) -> None:
    command.folder = copied.rename(copied.with_name("100% mine %(here)s"))
    flask_db("upgrade")
    insert(command.folder / "app/accounts/models.py", "    shard: Mapped[int | None]\n")
    flask_db("migrate", "-m", "shard")
    flask_db("upgrade")
    flask_db("check")


def test_a_bind_that_nobody_configured(copied: Path, flask_db: Callable[..., str]) -> None:
    with (copied / "app/accounts/models.py").open("a") as file:
        file.write("\n\nclass Else(Model):\n    __bind_key__ = 'elsewhere'\n")
        file.write("    id: Mapped[int] = mapped_column(primary_key=True)\n")
    for command in ("migrate", "upgrade", "check"):
        assert "__bind_key__ 'elsewhere'" in flask_db(command, fails=True)


def test_what_is_given_to_migrate_counts(copied: Path, flask_db: Callable[..., str]) -> None:
    extensions, users = copied / "app/extensions.py", copied / "app/accounts/models.py"
    code = extensions.read_text()
    code = code.replace("migrate = Migrate(", "migrate = Migrate(render_item=write, process_revision_directives=look, ")
    functions = """
def write(kind, item, autogenerate):
    return "sa.SmallInteger()" if type(item).__name__ == "Integer" else False

def look(context, revision, scripts):
    scripts[0].message = "as given"

"""
    extensions.write_text(code.replace("login_manager =", f"{functions}login_manager =", 1))
    flask_db("upgrade")
    insert(users, "    shard: Mapped[int | None]\n    seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime)\n")
    flask_db("migrate", "-m", "shard", "--rev-id", "1000")
    written = (copied / "migrations/versions/1000_as_given.py").read_text()
    assert "sa.SmallInteger()" in written
    assert "UTCDateTime()" in written


@pytest.mark.parametrize("message", [r"C:\new \users \x", 'a "quoted" word', '"""', "it's ä\\", "${x} % y\n% if\n## z"])
def test_a_message_of_any_kind(copied: Path, flask_db: Callable[..., str], message: str) -> None:
    flask_db("upgrade")
    flask_db("revision", "-m", message, "--rev-id", "1000")
    flask_db("upgrade")
    [revision] = (copied / "migrations/versions").glob("1000_*.py")
    docstring = ast.get_docstring(ast.parse(revision.read_text("utf-8")), clean=False)
    assert docstring
    assert docstring.startswith(f"{message}\n")


def test_what_migrate_writes(copied: Path, flask_db: Callable[..., str]) -> None:
    users, log = copied / "app/accounts/models.py", copied / "app/dblog/models.py"
    flask_db("upgrade")
    assert "No changes in schema detected" in flask_db("migrate", "-m", "nothing")

    # A revision of the application's tables reads like one of a single database.
    insert(users, "    seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime)\n")
    flask_db("migrate", "-m", "seen", "--rev-id", "1000")
    written = (copied / "migrations/versions/1000_seen.py").read_text()
    assert "from app.database import UTCDateTime" in written
    assert "_log" not in written
    assert "New upgrade operations" not in flask_db("upgrade")

    insert(log, "    shard: Mapped[int | None]\n")
    assert "New upgrade operations detected" in flask_db("check", fails=True)
    flask_db("migrate", "-m", "shard", "--rev-id", "1001")
    written = (copied / "migrations/versions/1001_shard.py").read_text()
    assert "add_column" not in written.partition("def upgrade_log() -> None:")[0]
    assert "add_column" in written.partition("def upgrade_log() -> None:")[2]
    flask_db("upgrade")
    assert "No new upgrade operations detected" in flask_db("check")
    flask_db("downgrade")
    assert "not up to date" in flask_db("check", fails=True)


def insert(model: Path, line: str) -> None:
    before = "    is_admin:"
    code = model.read_text()
    assert code.count(before) == 1
    model.write_text(code.replace(before, line + before))


def test_three_who_upgrade_at_once(command: Command, database_urls: dict[str, str]) -> None:
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda _: command("flask", "db", "upgrade"), range(3)))
    assert [(each.returncode, "Error" in each.stderr) for each in ended] == [(0, False)] * 3, ended
    assert tables(database_urls["DATABASE_URL"]) >= APP_TABLES
    assert tables(database_urls["LOG_DATABASE_URL"]) >= LOG_TABLES


@pytest.mark.skipif(not SERVER.startswith("sqlite"), reason="about SQLite only")
def test_the_version_is_read_under_the_write_lock(make_app: Callable[..., Flask]) -> None:
    """Otherwise two processes that upgrade at once would both find the same revisions to run."""
    first: dict[object, str] = {}
    with make_app().app_context():
        for bind, engine in db.engines.items():
            event.listen(engine, "before_cursor_execute", lambda *args, bind=bind: first.setdefault(bind, args[2]))
        upgrade()
    assert first == {None: "BEGIN IMMEDIATE", "log": "BEGIN IMMEDIATE"}


PETS = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Model


class Owner(Model):
    __tablename__ = "owners"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)
    town: Mapped[str | None] = mapped_column(String(20))


class Pet(Model):
    __tablename__ = "pets"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("owners.id", ondelete="CASCADE"))
"""


def test_add_a_model_then_drop_a_parents_column(
    copied: Path, flask_db: Callable[..., str], command: Command, database_urls: dict[str, str]
) -> None:
    model = copied / "app/pets.py"
    model.write_text(PETS)
    with (copied / "app/accounts/models.py").open("a") as file:
        file.write("\nimport app.pets\n")
    flask_db("upgrade")
    flask_db("migrate", "-m", "pets")
    flask_db("upgrade")
    flask_db("check")
    lines = 'db.session.add(Owner(id=1, name="Ada"))\ndb.session.flush()\n'
    lines += "db.session.add(Pet(owner_id=1))\ndb.session.commit()\n"
    assert "Error" not in command("flask", "shell", input=lines).stderr

    model.write_text(PETS.replace("    town: Mapped[str | None] = mapped_column(String(20))\n", ""))
    flask_db("migrate", "-m", "no town")
    flask_db("upgrade")
    flask_db("check")
    engine = create_engine(database_urls["DATABASE_URL"])
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT owner_id FROM pets")).all() == [1]
    assert "town" not in {column["name"] for column in inspect(engine).get_columns("owners")}
    engine.dispose()


@pytest.mark.skipif(not SERVER.startswith("sqlite"), reason="elsewhere this is the server's affair")
def test_a_failing_revision_leaves_nothing_behind(
    copied: Path, command: Command, database_urls: dict[str, str]
) -> None:
    command("flask", "db", "upgrade")
    command("flask", "db", "revision", "-m", "fails", "--rev-id", "1000")
    revision = copied / "migrations/versions/1000_fails.py"
    statements = 'op.create_table("half", sa.Column("id", sa.Integer()))\n    raise ValueError'
    revision.write_text(revision.read_text().replace("pass", statements, 1))
    assert "ValueError" in command("flask", "db", "upgrade").stderr
    assert "half" not in tables(database_urls["DATABASE_URL"])


def test_unreachable_database_is_one_sentence(command: Command) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    pytest.importorskip("psycopg")
    for args in (["db", "upgrade"], ["db", "current"]):
        result = command("flask", *args, DATABASE_URL=nowhere, LOG_DATABASE_URL=nowhere)
        assert result.returncode == 1
        assert "cannot be reached" in result.stderr
        assert "Traceback" not in result.stderr
    for args in (["db"], ["db", "history"], ["db", "heads"], ["routes"], ["--help"]):
        result = command("flask", *args, DATABASE_URL=nowhere, LOG_DATABASE_URL=nowhere)
        assert "Traceback" not in result.stderr
        assert "Error" not in result.stderr
