"""The fixtures and functions that all tests share.

DATABASE_URL chooses where the tests run: on SQLite files in a temporary folder, or in scratch databases on the server
that it names, which are dropped at the end. The tests never touch the named database itself.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# The variables in .env are for the site, not for its tests.
os.environ["FLASK_SKIP_DOTENV"] = "1"
os.environ.pop("FLASK_DEBUG", None)

# Programs that a shell starts in the background ignore Ctrl-C, and so would all programs that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from flask_migrate import upgrade
from sqlalchemy import URL, create_engine, inspect, make_url, text
from sqlalchemy.schema import CreateSchema, DropSchema
from werkzeug.test import TestResponse

from app import create_app
from app.accounts.models import User
from app.config import PROJECT, database_url
from app.database import db

PASSWORD = "correct horse battery staple"
KEY = "uQ3v-0nly-4-t3sts-8hXk2pLw9ZrTfYbNcJ"
# This process removes DATABASE_URL before pytest-xdist starts its workers; they find it under another name.
SERVER = os.environ.setdefault("TESTS_DATABASE_URL", os.environ.pop("DATABASE_URL", "") or "sqlite://")
os.environ.pop("LOG_DATABASE_URL", None)


def on_server(url: URL, statement: str) -> None:
    """Run a statement outside of any transaction and of any scratch database."""
    maintenance = "postgres" if url.get_backend_name() == "postgresql" else None
    engine = create_engine(url.set(database=maintenance), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def empty(url: URL) -> None:
    """Delete everything in a PostgreSQL database, even while somebody is still connected to it."""
    on_server(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'")
    engine = create_engine(url)
    with engine.begin() as connection:
        for schema in {*inspect(connection).get_schema_names()} - {"information_schema"}:
            connection.execute(DropSchema(schema, cascade=True))
        connection.execute(CreateSchema("public"))
    engine.dispose()


@pytest.fixture(scope="session")
def used() -> Iterator[list[URL]]:
    """Return databases that earlier tests have emptied: to make a new one takes PostgreSQL a hundred times longer."""
    urls: list[URL] = []
    yield urls
    for url in urls:
        on_server(url, f"DROP DATABASE {url.database} WITH (FORCE)")


@pytest.fixture
def scratch(tmp_path: Path, used: list[URL]) -> Iterator[Callable[[], str]]:
    """Return a function that returns the URL of another empty database at each call."""
    server = make_url(database_url(SERVER))
    given: list[URL] = []

    def give() -> str:
        name = f"scratch_{uuid.uuid4().hex[:12]}"
        if server.get_backend_name() == "sqlite":
            return f"sqlite:///{tmp_path / name}.db"
        if used:
            given.append(used.pop())
        else:
            on_server(server, f"CREATE DATABASE {name}")
            given.append(server.set(database=name))
        return given[-1].render_as_string(hide_password=False)

    yield give
    for url in given:
        if url.get_backend_name() == "postgresql":
            empty(url)
            used.append(url)
        else:
            on_server(url, f"DROP DATABASE {url.database}")


@pytest.fixture
def database_urls(scratch: Callable[[], str]) -> dict[str, str]:
    """Return the URLs of the application's database and of the log's, both still without tables."""
    return {"DATABASE_URL": scratch(), "LOG_DATABASE_URL": scratch()}


@pytest.fixture
def make_app(database_urls: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Return a function that makes applications, by default on `database_urls`, and close what they opened."""
    made: list[Flask] = []

    def make(**config: object) -> Flask:
        journal = tmp_path / "journal"
        app = create_app({"TESTING": True, "LOG_JOURNAL_DIR": journal, **database_urls, **config})
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["dblog"].writer.close(timeout=1)
    for thread in threading.enumerate():
        if thread.name == "dblog-writer":
            thread.join(timeout=30)  # a slow writer may still hold a connection
    for app in made:
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return SQLite files that have their tables: to copy them for each test is quicker than to run the revisions."""
    if make_url(database_url(SERVER)).get_backend_name() != "sqlite":
        return {}
    folder = tmp_path_factory.mktemp("migrated")
    files = {"DATABASE_URL": folder / "app.db", "LOG_DATABASE_URL": folder / "log.db"}
    app = create_app({"TESTING": True} | {name: f"sqlite:///{path}" for name, path in files.items()})
    with app.app_context():
        upgrade()
        for engine in db.engines.values():
            engine.dispose()
    return files


@pytest.fixture
def app(make_app: Callable[..., Flask], database_urls: dict[str, str], migrated: dict[str, Path]) -> Flask:
    """Return an application whose databases have their tables."""
    copies = {database_urls[name]: path for name, path in migrated.items()}
    copied = len(copies) == 2  # if both databases are one file, the revisions make the tables
    if copied:
        for url, path in copies.items():
            shutil.copy(path, make_url(url).database or "")
    app = make_app()
    if not copied:
        with app.app_context():
            upgrade()
    return app


@pytest.fixture
def _push_request_context() -> None:
    """Replace pytest-flask's fixture of this name, if there is one: it keeps a request open for a whole test."""


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


@pytest.fixture
def make_user(app: Flask) -> Callable[..., User]:
    """Return a function that saves an account with PASSWORD; it returns a detached user with loaded columns."""

    def make(username: str, **columns: object) -> User:
        with app.app_context():
            user = User(username=username, **columns)
            user.set_password(PASSWORD)
            db.session.add(user)
            db.session.commit()
            db.session.refresh(user)
            db.session.expunge(user)
            return user

    return make


@pytest.fixture
def user(make_user: Callable[..., User]) -> User:
    return make_user("ada")


@pytest.fixture
def admin(make_user: Callable[..., User]) -> User:
    return make_user("grace", is_admin=True)


@pytest.fixture
def environment(database_urls: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Return variables for processes: they use empty databases and write nothing into the project's folder."""
    return os.environ | {
        **database_urls,
        "SECRET_KEY": KEY,
        "LOG_FILE": "",
        "LOG_JOURNAL_DIR": str(tmp_path / "journal"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


class Command:
    """Runs Python modules, such as flask, in the project's folder or in a copy of it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.folder = PROJECT

    def __call__(self, *module: str, input: str | None = None, **changes: str) -> "subprocess.CompletedProcess[str]":
        option = [] if module[0] == "-c" else ["-m"]
        return subprocess.run(
            [sys.executable, *option, *module],
            cwd=self.folder,
            env=self.environment | changes,
            input=input,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def command(environment: dict[str, str]) -> Command:
    return Command(environment)


@pytest.fixture
def copied(command: Command, tmp_path: Path) -> Path:
    """Return a copy of the project that the test may change; `command` works in it from now on."""
    command.folder = tmp_path / "site"
    kept = shutil.ignore_patterns("instance", ".*cache", "__pycache__", ".env", ".venv", "tests")
    shutil.copytree(PROJECT, command.folder, ignore=kept)
    return command.folder


@dataclass
class Server:
    url: str
    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)


@pytest.fixture
def serve(command: Command) -> Callable[..., AbstractContextManager[Server]]:
    """Return a function that starts `python -m MODULE …` and waits until it names its address; stop it at the end."""

    @contextmanager
    def start(*module: str, **changes: str) -> Iterator[Server]:
        with subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=command.folder,
            env=command.environment | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout
            output = process.stdout
            lines: list[str] = []
            drain = threading.Thread(target=lambda: lines.extend(output))
            try:
                for line in output:
                    lines.append(line)
                    if address := re.search(r"http://127\.0\.0\.1:\d+", line):
                        break
                else:
                    pytest.fail("".join(lines))
                drain.start()
                yield Server(address[0], process, lines)
            finally:
                process.terminate()
                process.wait(timeout=30)
            drain.join()

    return start


def csrf_token(page: str) -> str:
    """Return the CSRF token of the page's first form."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found, "the page has no form with a CSRF token"
    return found[1]


def login(client: FlaskClient, user: User, password: str = PASSWORD) -> TestResponse:
    """Log in as a browser would, with the form's CSRF token."""
    token = csrf_token(client.get("/login").text)
    form = {"csrf_token": token, "username": user.username, "password": password}
    return client.post("/login", data=form)
