"""The measurements share these functions for the committed project, its environment, scratch databases and tables."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
SERVER = os.environ.get("BENCH_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432")


def committed_project(folder: Path) -> Path:
    """Yield the folder of the project as committed; it runs as it is, without being generated."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder / "template"], check=True)
    return folder / "template" / "{{cookiecutter.project_slug}}"


def environment(project: Path, folder: Path, **settings: str) -> dict[str, str]:
    """Return variables for a process that has its databases and its journal in `folder`, and no other handlers."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FLASK_", "LOG_"))}
    return inherited | {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": str(project),
        "SECRET_KEY": secrets.token_hex(),
        "SESSION_COOKIE_SECURE": "0",
        "DATABASE_URL": f"sqlite:///{folder}/app.db",
        "LOG_DATABASE_URL": f"sqlite:///{folder}/log.db",
        "LOG_JOURNAL_DIR": str(folder / "journal"),
        "LOG_FILE": "",
        "LOG_LEVEL": "CRITICAL",
        # Each record must have a row: otherwise a log that stores fewer rows would seem faster.
        "LOG_STORM_ROWS": "0",
        **settings,
    }


def migrate(project: Path, env: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "flask", "db", "upgrade"], cwd=project, env=env, check=True)


def databases(project: Path, folder: Path, template: Path) -> dict[str, str]:
    """Yield a new folder with empty, migrated SQLite databases, and the environment that names them."""
    if not template.exists():
        template.mkdir()
        migrate(project, environment(project, template))
    folder.mkdir()
    for path in template.glob("*.db*"):
        shutil.copy(path, folder)
    return environment(project, folder)


@contextmanager
def scratch_postgresql() -> Iterator[str]:
    """Yield the URL of a database that is dropped at the end."""
    name = f"bench_{uuid4().hex}"
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{SERVER}/{name}"
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}\n")
    print(f"| {' | '.join(header)} |")
    print(f"| --- |{' ---: |' * (len(header) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()
