"""Fixtures for a generated project on either database, and for programs that log there until something happens."""

import json
import os
import secrets
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql  # type: ignore[import-untyped]  # it has no types
import pytest
from conftest import reachable

PROGRAMS = Path(__file__).parent / "programs"


@dataclass
class Counts:
    """The log's content: how often it has each message, the sums of its tables of counts, records without a row."""

    messages: dict[str, int]
    problems: int
    hours: int
    problem_hours: int
    without_row: int

    @property
    def rows(self) -> int:
        return sum(self.messages.values())

    def agree(self) -> bool:
        return self.rows + self.without_row == self.problems == self.hours == self.problem_hours


class Program(subprocess.Popen[str]):
    """A process that has a minute to end after its block; `Popen` would wait for ever if it hangs."""

    def __exit__(self, *error: Any) -> None:
        assert self.stdin
        self.stdin.close()
        try:
            self.wait(timeout=60)
        finally:
            self.kill()
            super().__exit__(*error)


def hear(process: Program) -> str:
    """Return the next line that the program prints."""
    assert process.stdout
    return process.stdout.readline().rstrip("\n")


def tell(process: Program, line: str = "go") -> None:
    assert process.stdin
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


@dataclass
class Site:
    """A project in a folder, with an interpreter that has its dependencies."""

    folder: Path
    python: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        # The tests look for every record, so each needs a row.
        settings = {"LOG_FILE": "", "SECRET_KEY": secrets.token_hex(), "LOG_STORM_ROWS": "0"}
        settings["TRUSTED_HOSTS"] = "127.0.0.1"  # otherwise the log would have a warning that it is empty
        return os.environ | own | settings | self.env | dict(changes or {})

    def run(
        self, *words: str | Path, check: bool = True, changes: Mapping[str, str] | None = None, typed: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run Python to its end, with these arguments and `typed` as standard input."""
        done = subprocess.run(
            [self.python, *words],
            cwd=self.folder,
            env=self.environment(changes),
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def program(
        self, name: str, *arguments: str, check: bool = True, **changes: str
    ) -> "subprocess.CompletedProcess[str]":
        return self.run(PROGRAMS / f"{name}.py", *arguments, check=check, changes=changes)

    def start(self, name: str, *arguments: str, **changes: str) -> Program:
        """Start a program that the test talks to over standard input and output."""
        return Program(
            [self.python, PROGRAMS / f"{name}.py", *arguments],
            cwd=self.folder,
            env=self.environment(changes),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def flask(self, *words: str, typed: str = "", **changes: str) -> str:
        return self.run("-m", "flask", *words, changes=changes, typed=typed).stdout

    def flush(self, **changes: str) -> None:
        self.flask("log", "flush", "--timeout", "200", **changes)

    def counts(self, **changes: str) -> Counts:
        return Counts(**json.loads(self.program("counts", check=True, **changes).stdout))

    def journal(self) -> list[Path]:
        folder = self.folder / "instance" / "journal"
        return [path for path in folder.iterdir() if path.suffix == ".jsonl"] if folder.exists() else []


def on_server(url: str, statement: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "postgresql":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())
        return
    server = {"host": parts.hostname, "port": parts.port or 3306, "user": parts.username or "root"}
    with pymysql.connect(**server, password=parts.password or "") as maria, maria.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def site(project: Path, venv: Path) -> Site:
    """Return the default project, with tables, on SQLite."""
    site = Site(project, venv / "python")
    site.flask("db", "upgrade")
    return site


@pytest.fixture(params=["SQLite", "PostgreSQL", "MariaDB"])
def any_site(request: pytest.FixtureRequest, project: Path, venv: Path) -> Iterator[Site]:
    """Return the default project, with tables, on each database in turn."""
    site = Site(project, venv / "python")
    if request.param == "SQLite":
        site.flask("db", "upgrade")
        yield site
        return
    server, name = reachable(request.param), f"scratch_{uuid.uuid4().hex[:12]}"
    on_server(server, f"CREATE DATABASE {name}")
    site.env["DATABASE_URL"] = urlsplit(server)._replace(path=f"/{name}").geturl()
    site.flask("db", "upgrade")
    yield site
    on_server(server, f"DROP DATABASE {name}" + (" WITH (FORCE)" if request.param == "PostgreSQL" else ""))
