"""README's steps drop the audit trail, and the rest works."""

import re
from pathlib import Path

import pytest
from conftest import run
from readmes import chapter
from running import Visitor, serve
from test_readme import in_shell


@pytest.mark.slow  # runs the owner's tests once more, and those tests of the log that use the trail
def test_drop_the_trail(project: Path, venv: Path) -> None:
    text = chapter((project / "README.md").read_text("utf-8"), "Audit changes")
    steps = text.split("To drop the trail:", 1)[1]
    in_shell(venv, project, "flask db upgrade && echo 'a long password' | flask user create ada --password-stdin")
    assert "cli:user create" in in_shell(venv, project, "flask audit list")

    [delete] = re.findall(r"`(rm [^`]+)`", steps)
    in_shell(venv, project, delete)
    factory = project / "app/__init__.py"
    lines = factory.read_text().splitlines(keepends=True)
    kept = [line for line in lines if "audit" not in line]
    assert len(lines) - len(kept) == 2
    factory.write_text("".join(kept))
    in_shell(venv, project, " && ".join(re.findall(r"`(flask db [^`]+)`", steps)))

    in_shell(venv, project, "flask db check")
    assert "ada" in in_shell(venv, project, "flask user list")
    names = run(venv / "python", "-c", TABLES, cwd=project).stdout
    assert "users" in names
    assert "audit_entry" not in names
    with serve(venv / "flask", "run", cwd=project) as site:
        assert Visitor(site).see("/").status_code == 200
        assert Visitor(site).see("/audit").status_code == 404
    # The log's other tests, and those of processes, do without the trail, as the project's own tests check.
    hooked = " ".join(f"tests/dblog/test_{name}.py" for name in ("pages", "problem_page", "forget", "carried", "rooms"))
    in_shell(venv, project, f"ruff check && mypy && pytest -q && pytest -q {hooked}")


TABLES = """
import sqlite3
print(sqlite3.connect("instance/app.db").execute("SELECT name FROM sqlite_master").fetchall())
"""
