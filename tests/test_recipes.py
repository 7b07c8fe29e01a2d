"""README's chapter "Recipes" works to the letter, and so does what it says about sub-paths."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BIN, reachable, run
from readmes import lines
from running import Visitor, serve, wait_until
from sqlalchemy import create_engine, make_url, text
from test_readme import add_books, in_shell

PASSWORD = "correct horse battery staple"


def recipe(project: Path, title: str, language: str = "sh") -> list[str]:
    return lines(project / "README.md", title, language)


def add_below(file: Path, line: str, added: str) -> None:
    """Insert lines below the only line that begins like this."""
    source = file.read_text("utf-8").splitlines(keepends=True)
    [place] = [number for number, known in enumerate(source) if known.strip().startswith(line)]
    file.write_text("".join([*source[: place + 1], added, *source[place + 1 :]]), "utf-8")


def test_setting_of_ones_own(project: Path, venv: Path) -> None:
    [line] = recipe(project, "Add a setting of your own", "python")
    add_below(project / "app/config.py", '"SITE_NAME"', line)
    show = "echo 'print(app.config[\"COPIES\"])' | {} flask shell 2>&1"
    assert "3\n" in in_shell(venv, project, show.format(""))
    assert "7\n" in in_shell(venv, project, show.format("COPIES=7"))
    assert "COPIES: expected a whole number, 1 or more" in in_shell(venv, project, show.format("COPIES=0") + " || true")
    in_shell(venv, project, "ruff check && ruff format --check && mypy")


def test_one_page_with_more_than_the_policy(project: Path, venv: Path) -> None:
    in_shell(venv, project, "flask db upgrade")
    add_books(venv, project)
    view, imports = recipe(project, "Allow one page more than the content security policy", "python")
    views = project / "app/books/views.py"
    views.write_text(views.read_text().replace("from sqlalchemy", f"{imports}from sqlalchemy", 1) + f"\n\n{view}")
    in_shell(venv, project, "ruff check --fix && ruff format && mypy")
    with serve(venv / "flask", "run", cwd=project) as site:
        policies = [Visitor(site).see(path).headers["Content-Security-Policy"] for path in ("/books/map", "/books")]
    assert policies[0] == f"{policies[1]}; frame-src https://www.openstreetmap.org"


def test_that_something_was_logged(project: Path, venv: Path) -> None:
    [module] = recipe(project, "Test that something was logged", "python")
    (project / "tests/test_stock.py").write_text(module)
    in_shell(venv, project, "ruff check && ruff format --check && mypy && pytest -q tests/test_stock.py")
    (project / "tests/test_stock.py").write_text(module.replace(".warning", ".info"))
    assert "1 failed" in in_shell(venv, project, "pytest -q tests/test_stock.py || true")


@pytest.fixture(params=["PostgreSQL", "MariaDB"])
def empty_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of a new database."""
    drivers = {"PostgreSQL": "postgresql+psycopg", "MariaDB": "mysql+pymysql"}
    url, name = make_url(reachable(request.param)).set(drivername=drivers[request.param]), f"moved_{os.getpid()}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield url.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name}"))
    engine.dispose()


def test_sqlites_data_on_a_server(project: Path, venv: Path, empty_database: str) -> None:
    def user(*words: str) -> None:
        run(venv / "flask", "user", *words, cwd=project, typed=f"{PASSWORD}\n")

    in_shell(venv, project, "flask db upgrade")
    for name in ("ada", "bob", "cyd"):
        user("create", name, "--password-stdin")
    posts = "[db.session.add(Post(title=f'Ünï 🚀 {n}', body='x', author_id=1)) for n in range(1500)]"
    log = "import logging; logging.getLogger('shop').warning('Stock of %s is low', 'tea', extra={'left': 3})"
    in_shell(venv, project, f"flask shell <<'END'\n{posts}; db.session.commit()\n{log}\nEND")
    connection = sqlite3.connect(project / "instance/log.db")
    connection.execute("UPDATE sqlite_sequence SET seq = 70 WHERE name = 'log_entry'")  # as if 70 rows had been pruned
    connection.commit()
    connection.close()

    def everything() -> list[str]:
        audit = in_shell(venv, project, "flask audit list --json --since 7d --limit 5000")
        shown = in_shell(venv, project, "flask user list; flask log list --json --since all; flask log problems --json")
        query = "for post in db.session.scalars(select(Post)): print(post.id, post.title, post.created_at.isoformat())"
        return [audit, shown, in_shell(venv, project, f"flask shell <<'END'\n{query}\n\nEND")]

    before = everything()
    with (project / ".env").open("a") as env:
        env.write(f"\nDATABASE_URL={empty_database}\n")
    [script] = recipe(project, "Bring SQLite's data to a server", "python")
    (project / "copy_data.py").write_text(script)
    in_shell(venv, project, "ruff check && ruff format --check && flask log flush && flask db upgrade")
    in_shell(venv, project, "python copy_data.py")
    assert everything() == before

    user("create", "dan", "--password-stdin")
    in_shell(venv, project, f"flask shell <<'END'\n{log}\nEND")
    wait_until(lambda: len(in_shell(venv, project, "flask log list --json --since all").splitlines()) == 2)
    listed = in_shell(venv, project, "flask log list --json --since all").splitlines()
    assert json.loads(listed[0])["id"] > 70
    in_shell(venv, project, "flask db check")
    again = run(venv / "python", "copy_data.py", cwd=project, check=False)
    assert "IntegrityError" in again.stderr


def test_site_below_a_sub_path(project: Path, venv: Path) -> None:
    in_shell(venv, project, "flask db upgrade")
    [variable] = re.findall(
        "`(SCRIPT_NAME)=/shop` in gunicorn's environment", (project / "README.md").read_text("utf-8")
    )
    path, key = {variable: "/shop"}, {"SESSION_COOKIE_SECURE": "0"}
    command = (venv / "gunicorn", "--bind", "127.0.0.1:PORT", "app:create_app()")
    with serve(*command, cwd=project, env=path | key, prefix="/shop") as site:
        visitor = Visitor(site)
        assert 'href="/shop/login"' in visitor.see("/").text
        assert visitor.see("/logs").url.endswith("/shop/login?next=/shop/logs")
        run(venv / "flask", "user", "create", "ada", "--admin", "--password-stdin", cwd=project, typed=PASSWORD)
        visitor.submit("/login", username="ada", password=PASSWORD)
        assert visitor.see("/logs").status_code == 200
        assert visitor.get(site.url.removesuffix("/shop") + "/healthz", timeout=60).status_code == 500


@pytest.mark.slow
def test_same_versions_everywhere(project: Path, tmp_path: Path) -> None:
    lock, install = recipe(project, "Install the same versions everywhere")
    path = {"PATH": f"{tmp_path / 'venv/bin'}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}"}
    run("bash", "-e", "-c", lock, cwd=project, env=os.environ | path)
    wanted = (project / "requirements.txt").read_text()
    assert wanted.count("--hash=sha256:") > wanted.count("==") > 20
    assert "pytest" not in wanted
    run(BIN / "uv", "venv", "--quiet", "--seed", tmp_path / "venv", cwd=tmp_path)
    run("bash", "-e", "-c", install, cwd=project, env=os.environ | path)
    assert "/logs" in run(tmp_path / "venv/bin/flask", "routes", cwd=project).stdout


def test_in_another_folder_flask_knows_no_project(project: Path, venv: Path) -> None:
    said = run(venv / "flask", "db", "upgrade", cwd=project / "app", check=False)
    assert "No such command 'db'" in said.stderr
    assert "No such command 'db'" in (project / "README.md").read_text("utf-8")
