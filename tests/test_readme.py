"""The commands and code in the two READMEs work as they stand there."""

import json
import os
import re
import textwrap
import tomllib
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from conftest import BIN, ROOT, git, reachable, run
from faults.conftest import on_server
from readmes import blocks, chapter, code, commands, lines
from running import Site, Visitor, serve, wait_until

# This presses Enter at every prompt, more often than there are prompts.
DEFAULTS = "\n" * 20


@pytest.fixture(params=["PostgreSQL", "MariaDB"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of an empty database on each server."""
    server, name = reachable(request.param), f"readme_{uuid.uuid4().hex[:12]}"
    on_server(server, f"CREATE DATABASE {name}")
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    on_server(server, f"DROP DATABASE {name}")


@pytest.fixture
def user(template: Path, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user for whom gh: is a clone on this machine."""
    repository = tmp_path / "gh" / "org" / "flask-dblog-template"
    git("clone", "--quiet", "--bare", template, repository, cwd=tmp_path)
    config = tmp_path / "cookiecutter.yaml"
    folders = "".join(f"{name}: {tmp_path / name}\n" for name in ("cookiecutters_dir", "replay_dir"))
    config.write_text(f"abbreviations:\n  gh: git+file://{tmp_path}/gh/{{0}}\n{folders}")
    return {"COOKIECUTTER_CONFIG": str(config), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


@contextmanager
def typed(script: str, cwd: Path, env: dict[str, str]) -> Iterator[Site]:
    """Return a shell command that runs these lines; the last one starts the server."""
    cwd.mkdir(exist_ok=True)
    with serve("bash", "-e", "-c", script, cwd=cwd, env=env, seconds=300, answers=DEFAULTS) as site:
        yield site


def test_the_two_lines_with_uv(user: dict[str, str], tmp_path: Path) -> None:
    with typed(lines(ROOT / "README.md", "Run")[0], tmp_path / "here", user) as site:
        assert "My Flask App" in Visitor(site).see("/").text


@pytest.mark.slow
def test_the_same_with_pip(user: dict[str, str], tmp_path: Path) -> None:
    with typed(lines(ROOT / "README.md", "Run")[1], tmp_path / "here", user) as site:
        assert "My Flask App" in Visitor(site).see("/").text

    project = tmp_path / "here" / "my_flask_app"
    url = {"DATABASE_URL": "postgresql://localhost/x"}
    refused = run(project / ".venv/bin/flask", "routes", cwd=project, check=False, env=os.environ | url)
    assert refused.returncode != 0
    assert 'pip install -e ".[postgresql]"' in refused.stderr
    assert "Traceback" not in refused.stderr
    run(project / ".venv/bin/pip", "install", "--quiet", "-e", ".[dev]", cwd=project)
    run(project / ".venv/bin/pytest", "-q", "tests/test_main.py", cwd=project)


@pytest.mark.parametrize("which", [0, pytest.param(1, marks=pytest.mark.slow)], ids=["uv", "pip"])
def test_generated_chapter_run(user: dict[str, str], project: Path, which: int) -> None:
    with typed(lines(project / "README.md", "Run")[which], project, user) as site:
        assert Visitor(site).see("/").status_code == 200


@pytest.mark.slow
def test_generated_chapter_test(user: dict[str, str], project: Path) -> None:
    [command, _servers] = lines(project / "README.md", "Test")
    # pytest finds the engine's tests and all that they need; test_own_tests.py runs them.
    command = re.sub("(tests/processes) .*", r"\1 --collect-only --quiet", command)
    assert "--collect-only" in command
    run("bash", "-e", "-c", command, cwd=project, env=os.environ | user)


def test_a_test_of_ones_own(project: Path, venv: Path) -> None:
    in_shell(venv, project, "flask db upgrade && echo 'a long password' | flask user create ada --password-stdin")
    [code] = lines(project / "README.md", "Test", "python")
    run(venv / "python", "-c", f"{code}    db.drop_all()", cwd=project)
    assert "ada" in in_shell(venv, project, "flask user list")


@pytest.mark.slow
@pytest.mark.parametrize(("which", "name"), [(0, "PostgreSQL"), (1, "MariaDB")])
def test_generated_chapter_test_on_servers(user: dict[str, str], project: Path, which: int, name: str) -> None:
    _, text = lines(project / "README.md", "Test")
    command = text.splitlines()[which]
    url, rest = re.findall(r"DATABASE_URL=(\S+) (uv run --extra \w+ pytest)$", command)[0]
    assert url.split("://")[0] == reachable(name).split("://")[0]
    script = f"DATABASE_URL={reachable(name)} {rest} -q tests/test_database.py"
    assert " passed" in run("bash", "-e", "-c", script, cwd=project, env=os.environ | user).stdout


@pytest.mark.slow
def test_moving_to_a_server(user: dict[str, str], project: Path) -> None:
    [text] = lines(project / "README.md", "Configure")
    script = re.sub("(?<=DATABASE_URL=).*", f"{reachable('PostgreSQL').rpartition('/')[0]}/readme_{os.getpid()}", text)
    assert script != text
    script = script.replace("\nflask", "\nuv run --extra postgresql flask")
    database = f"readme_{os.getpid()}"
    run("psql", reachable("PostgreSQL"), "-c", f"CREATE DATABASE {database}", cwd=project)
    try:
        run("bash", "-e", "-c", script, cwd=project, env=os.environ | user)
    finally:
        run("psql", reachable("PostgreSQL"), "-c", f"DROP DATABASE {database}", cwd=project)


def in_shell(venv: Path, project: Path, script: str) -> str:
    """Run lines with the environment's commands first in the PATH, as if it were activated."""
    path = {"PATH": f"{venv}{os.pathsep}{os.environ['PATH']}"}
    return run("bash", "-e", "-c", script, cwd=project, env=os.environ | path).stdout


def add_books(venv: Path, project: Path) -> str:
    """Follow the chapter "Add a model"; return what the Python session printed."""
    text = chapter((project / "README.md").read_text("utf-8"), "Add a model")
    written = dict(re.findall(r"^`(app/books/\S+)`\n\n```python\n(.*?)```", text, flags=re.DOTALL | re.MULTILINE))
    (project / "app/books").mkdir()
    for name, content in written.items():
        (project / name).write_text(content)

    [place, lines_to_add] = re.findall(
        r"In `app/__init__.py`, below `(.*?)`:\n\n```python\n(.*?)```", text, flags=re.DOTALL
    )[0]
    factory = project / "app/__init__.py"
    source = factory.read_text()
    assert place in source
    factory.write_text(source.replace(f"{place}\n", f"{place}\n{lines_to_add}", 1))

    [commands] = blocks(text, "sh")
    in_shell(venv, project, commands)
    session = blocks(text, "python")[-1].replace(">>> ", "")
    return in_shell(venv, project, f"flask shell <<'END'\n{session}END")


def test_add_a_model(project: Path, venv: Path) -> None:
    in_shell(venv, project, "flask db upgrade")
    assert "Book" in add_books(venv, project)
    with serve(venv / "flask", "run", cwd=project) as site:
        assert Visitor(site).see("/books").json() == ["Flatland"]

    in_shell(venv, project, "ruff check && ruff format --check && mypy")
    [revision] = set((project / "migrations/versions").glob("*add_books*.py"))
    assert "_log" not in revision.read_text(), "it reads like a revision of a single database"


def test_renaming_a_column(project: Path, venv: Path) -> None:
    [body] = lines(project / "README.md", "Change the schema", "python")
    in_shell(venv, project, "flask db upgrade")
    add_books(venv, project)
    for name in ("models", "views"):
        module = project / f"app/books/{name}.py"
        module.write_text(module.read_text().replace("title:", "name:").replace("Book.title", "Book.name"))
    in_shell(venv, project, 'flask db revision -m "Rename"')
    [revision] = (project / "migrations/versions").glob("*_rename.py")
    text = revision.read_text()
    revision.write_text(re.sub("(?<=    )pass\n", textwrap.indent(body, "    ").lstrip(), text, count=1))
    in_shell(venv, project, "flask db upgrade && flask db check")
    shown = in_shell(venv, project, "echo 'print(db.session.scalars(select(Book.name)).all())' | flask shell")
    assert "['Flatland']" in shown


CHILD = """

class Page(Model):
    __tablename__ = "pages"

    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id", ondelete="CASCADE"))
"""


def test_serve_an_api(project: Path, venv: Path) -> None:
    [code] = lines(project / "README.md", "Serve an API", "python")
    (project / "app/api").mkdir()
    (project / "app/api/__init__.py").write_text(code)
    for check in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy", "app")):
        run(venv / check[0], *check[1:], cwd=project)
    wiring = project / "app/__init__.py"
    line = "    app.register_blueprint(accounts.bp)\n"
    wiring.write_text(
        wiring.read_text().replace(line, f"{line}    from . import api\n\n    app.register_blueprint(api.bp)\n")
    )
    with serve(venv / "flask", "run", cwd=project) as site:
        run(venv / "flask", "user", "create", "ada", "--password-stdin", cwd=project, typed="a long password")
        url, form = f"{site.url}/api", {"username": "ada", "password": "a long password"}
        assert requests.get(f"{url}/me", timeout=60).json()["status"] == 401
        assert requests.get(f"{url}/nothing", timeout=60).json()["status"] == 404
        assert requests.post(f"{url}/token", form | {"password": "x"}, timeout=60).json()["status"] == 401
        token = requests.post(f"{url}/token", form, timeout=60).json()["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert requests.get(f"{url}/me", headers=bearer, timeout=60).json() == {"username": "ada"}
        [curl] = lines(project / "README.md", "Serve an API")
        curl = curl.replace("http://127.0.0.1:5000", site.url).replace("=…", "='a long password'").replace("…", token)
        assert '"username": "ada"' in in_shell(venv, project, curl)
        run(venv / "flask", "user", "password", "ada", "--password-stdin", cwd=project, typed="another long one")
        assert requests.get(f"{url}/me", headers=bearer, timeout=60).status_code == 401


def test_dropping_a_column_of_a_parent_keeps_the_children(project: Path, venv: Path) -> None:
    """On SQLite alembic makes the table anew, and a cascade would delete the children."""
    in_shell(venv, project, "flask db upgrade")
    add_books(venv, project)
    models = project / "app/books/models.py"
    source = models.read_text().replace("import String", "import ForeignKey, String") + CHILD
    column = "    extra: Mapped[str | None] = mapped_column(String(9), unique=True)\n"
    models.write_text(source.replace("\n\n\nclass Page", f"\n{column}\n\nclass Page", 1))
    in_shell(venv, project, 'flask db migrate -m "Pages" && flask db upgrade')
    in_shell(venv, project, "echo 'db.session.add(Page(book_id=1)); db.session.commit()' | flask shell")

    models.write_text(models.read_text().replace(column, ""))
    in_shell(venv, project, 'flask db migrate -m "No extra" && flask db upgrade && flask db check')
    assert "[1]" in in_shell(venv, project, "echo 'print(list(db.session.scalars(select(Page.id))))' | flask shell")


def test_models_without_flask(project: Path, venv: Path) -> None:
    in_shell(venv, project, "flask db upgrade && echo 'a long password' | flask user create ada --password-stdin")
    [script, log_too] = lines(project / "README.md", "Models without Flask", "python")
    assert run(venv / "python", "-c", script, cwd=project).stdout == "ada\n"
    run(venv / "python", "-c", f"{log_too}import logging; logging.error('of a script')", cwd=project)
    in_shell(venv, project, "flask log flush")
    assert "of a script" in in_shell(venv, project, "flask log list")


def test_transactions_on_sqlite(project: Path, venv: Path) -> None:
    in_shell(venv, project, "flask db upgrade")
    add_books(venv, project)
    blocks = lines(project / "README.md", "Transactions on SQLite", "python")
    session = "\n".join([*blocks, "print(total, [book.title for book in books])"])
    shown = in_shell(venv, project, f"flask shell <<'END'\n{session}\nEND")
    assert "1 ['Flatland, second edition']" in shown


def test_read_the_log(project: Path, venv: Path) -> None:
    logging, middleware = lines(project / "README.md", "Read the log", "python")
    factory, below = project / "app/__init__.py", "    logging_config.init_app(app)\n"
    code = factory.read_text("utf-8")
    assert code.count(below) == 1
    code = code.replace("def create_app", "def Middleware(inner):\n    return inner\n\n\ndef create_app", 1)
    factory.write_text(code.replace(below, middleware + below), "utf-8")
    in_shell(venv, project, "flask db upgrade")
    logging = "sku = 'tea'\n" + logging.replace("__name__", "'shop'")
    in_shell(venv, project, f"flask shell <<'END'\n{logging}END")
    wait_until(lambda: "Stock of tea is low" in in_shell(venv, project, "flask log list --logger shop"))
    [commands] = lines(project / "README.md", "Read the log")
    in_shell(venv, project, commands.replace("show 42", "show 1"))


def test_audit_changes(project: Path, venv: Path) -> None:
    [model] = lines(project / "README.md", "Audit changes", "python")
    in_shell(venv, project, "flask db upgrade")
    add_books(venv, project)
    models = project / "app/books/models.py"
    marks = "".join(line for line in model.splitlines(keepends=True) if "__audit" in line)
    assert marks.count("\n") == 3
    line = '    __tablename__ = "books"\n'
    columns = "    isbn: Mapped[str | None] = mapped_column(String(13))\n    views: Mapped[int | None]\n"
    models.write_text(models.read_text().replace(line, line + marks) + columns)
    in_shell(venv, project, 'flask db migrate -m "More columns" && flask db upgrade')
    change = "book = db.session.get(Book, 1); book.title, book.isbn, book.views = 'New', '978', 7; db.session.commit()"
    in_shell(venv, project, f"flask shell <<'END'\n{change}\nEND")
    shown = in_shell(venv, project, "flask audit show Book 1")
    assert "New" in shown
    assert "isbn" in shown
    assert "978" not in shown
    assert "views" not in shown

    [text] = lines(project / "README.md", "Audit changes")
    in_shell(venv, project, "echo 'a long password' | flask user create ada --password-stdin")
    assert "ada" in in_shell(venv, project, text)


def test_what_carrying_installs_is_among_the_dependencies(default_project: Path) -> None:
    install, _ = lines(default_project / "README.md", "Carry the log into another application")
    needed = set(install.removeprefix("pip install ").split())
    described = tomllib.loads((default_project / "pyproject.toml").read_text())["project"]["dependencies"]
    assert needed <= {re.split(r"[\[<>=]", requirement)[0] for requirement in described}


def test_a_job_is_known_to_the_log(project: Path, venv: Path) -> None:
    """tests/faults/test_jobs.py does the same with real workers."""
    job, _, _ = lines(project / "README.md", "Jobs", "python")
    (project / "app/mails").mkdir()
    (project / "app/mails/jobs.py").write_text(job)
    in_shell(venv, project, "flask db upgrade")
    call = "from app import create_app; create_app(); from app.mails.jobs import send_mail; send_mail('ada')"
    run(venv / "python", "-c", call, cwd=project, env=os.environ | {"FLASK_DEBUG": "1"})
    [record] = in_shell(venv, project, "flask log flush >/dev/null; flask log list --json").splitlines()
    assert json.loads(record)["message"] == "Nobody reads what is sent to ada"
    assert json.loads(record)["request_id"] == "job:send_mail"


def test_make_has_what_is_said_of_it() -> None:
    [_, _, text] = lines(ROOT / "README.md", "Run")
    targets = re.findall(r"^make (\w+)", text, flags=re.MULTILINE)
    assert targets
    for target in targets:
        run("make", "--dry-run", target, cwd=ROOT)


#: These tests run the blocks under a heading, in their order.
RUN_BY = {
    ("Run", "sh"): ["test_generated_chapter_run"] * 2,
    ("Test", "sh"): ["test_generated_chapter_test", "test_generated_chapter_test_on_servers"],
    ("Test", "python"): ["test_a_test_of_ones_own"],
    ("Configure", "sh"): ["test_moving_to_a_server"],
    ("Add a model", "python"): ["test_add_a_model"] * 5,
    ("Add a model", "sh"): ["test_add_a_model"],
    ("Models without Flask", "python"): ["test_models_without_flask"] * 2,
    ("Change the schema", "python"): ["test_renaming_a_column"],
    ("Take uploads", "python"): ["test_generated_chapter_take_uploads"],
    ("Serve an API", "python"): ["test_serve_an_api"],
    ("Serve an API", "sh"): ["test_serve_an_api"],
    ("Deploy", "nginx"): ["test_proxies_overwrite_what_is_believed"],
    ("Deploy", "caddy"): ["test_proxies_overwrite_what_is_believed"],
    ("Transactions on SQLite", "python"): ["test_transactions_on_sqlite"] * 2,
    ("Read the log", "python"): ["test_read_the_log"] * 2,
    ("Read the log", "sh"): ["test_read_the_log"],
    ("Audit changes", "python"): ["test_audit_changes"],
    ("Audit changes", "sh"): ["test_audit_changes"],
    ("Jobs", "python"): ["test_a_job_is_known_to_the_log", *["working"] * 2],
    ("Jobs", "sh"): ["working"] * 2,
    ("Carry the log into another application", "sh"): [
        "test_what_carrying_installs_is_among_the_dependencies",
        "carry",
    ],
    ("Carry the log into another application", "python"): ["carry"] * 2,
    ("Add a setting of your own", "python"): ["test_setting_of_ones_own"],
    ("Allow one page more than the content security policy", "python"): ["test_one_page_with_more_than_the_policy"] * 2,
    ("Test that something was logged", "python"): ["test_that_something_was_logged"],
    ("Bring SQLite's data to a server", "python"): ["test_sqlites_data_on_a_server"],
    ("Install the same versions everywhere", "sh"): ["test_same_versions_everywhere"] * 2,
}
OF_THE_TEMPLATE = {
    ("Run", "sh"): ["test_the_two_lines_with_uv", "test_the_same_with_pip", "test_make_has_what_is_said_of_it"]
}


@pytest.mark.parametrize("generated", [True, False], ids=["generated", "template"])
def test_every_block_of_code_has_a_test(default_project: Path, generated: bool) -> None:
    """For a new block, add a line above and the test that it names."""
    readme = (default_project if generated else ROOT) / "README.md"
    run_by = RUN_BY if generated else OF_THE_TEMPLATE
    found = Counter((block.heading, block.language) for block in code(readme.read_text("utf-8")))
    assert found == {place: len(names) for place, names in run_by.items()}
    modules = [path.read_text("utf-8") for path in ROOT.glob("tests/**/test_*.py")]
    for (heading, _), names in run_by.items():
        for name in names:
            [module] = [text for text in modules if f"def {name}(" in text]
            body = re.split(r"^(?=@|def |class )", module.split(f"def {name}(", 1)[1], maxsplit=1, flags=re.MULTILINE)[
                0
            ]
            assert f'"{heading}"' in body or "add_books(" in body, f"{name} does not read {heading}"


LOOK_UP = """
import shlex, sys
import click
from app import create_app

for line in sys.stdin.read().splitlines():
    command, words = create_app().cli, shlex.split(line)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words.pop(0))
        assert command, line
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.split("=")[0] for word in words if word.startswith("-")} <= known | {"--help"}, line
"""


def test_every_flask_command_exists_with_its_options(default_project: Path, venv: Path) -> None:
    flasks_own = ("flask run", "flask shell", "flask routes", "flask --help")
    named = {line for line in commands(default_project / "README.md") if not line.startswith(flasks_own)}
    assert len(named) > 20
    environment = os.environ | {"FLASK_DEBUG": "1", "LOG_FILE": ""}
    done = run(
        venv / "python", "-c", LOOK_UP, cwd=default_project, env=environment, typed="\n".join(named), check=False
    )
    assert done.returncode == 0, done.stderr


def remove_the_example(venv: Path, project: Path, before_upgrade: str = "") -> None:
    """Follow the chapter; run the command `before_upgrade` between the revision and `flask db upgrade`."""
    text = chapter((project / "README.md").read_text("utf-8"), "Remove the example")
    in_shell(venv, project, "flask db upgrade")
    in_shell(venv, project, "rm -r app/blog tests/test_blog.py")
    [find] = re.findall(r"`(grep [^`]+)`", text)
    found = in_shell(venv, project, find).splitlines()
    assert len(found) == 6
    for path in {line.partition(":")[0] for line in found}:
        source = (project / path).read_text().splitlines(keepends=True)
        (project / path).write_text("".join(line for line in source if not re.search(r"\bblog\b", line)))
    migrate, upgrade = re.findall(r"`(flask db [^`]+)`", text)
    in_shell(venv, project, f"{migrate}\n{before_upgrade}\n{upgrade}\nflask db check")
    assert run("ls", "migrations/versions", cwd=project).stdout.count("posts") == 2


def test_remove_the_example(project: Path, venv: Path) -> None:
    remove_the_example(venv, project)
    with serve(venv / "flask", "run", cwd=project) as site:
        assert Visitor(site).see("/").status_code == 200
        assert Visitor(site).see("/posts").status_code == 404
    with serve(venv / "flask", "--no-debug", "run", cwd=project) as site:
        assert Visitor(site).see("/").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("written_on", ["SQLite", "the server"])
def test_remove_the_example_on_a_server(project: Path, venv: Path, database: str, written_on: str) -> None:
    """This also works if the revision was written on a laptop's SQLite."""
    use = f"echo DATABASE_URL={database} >> .env"
    if written_on == "SQLite":
        remove_the_example(venv, project, before_upgrade=f"{use}\nflask db upgrade 0004_posts")
    else:
        in_shell(venv, project, use)
        remove_the_example(venv, project)
    in_shell(venv, project, "flask db downgrade && flask db upgrade && flask db check")


UPLOAD = """
import io, re
from app import create_app
from app.accounts.models import User
from app.covers import bp
from app.database import db

app = create_app({"TESTING": True, "LOGIN_DISABLED": True})
app.register_blueprint(bp)
with app.app_context():
    db.create_all()
    db.session.add(User(username="ada", password_hash="-"))
    db.session.commit()
client = app.test_client()
token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)[1]
for megabytes in (5, 11):
    file = io.BytesIO(b"x" * megabytes * 1024 * 1024)
    answer = client.post("/covers", data={"cover": (file, "cover.jpg"), "csrf_token": token})
    print(answer.status_code, answer.json["bytes"] if answer.is_json else "")
"""


def test_generated_chapter_take_uploads(project: Path, venv: Path) -> None:
    [code] = lines(project / "README.md", "Take uploads", "python")
    (project / "app/covers.py").write_text(code)
    assert run(venv / "python", "-c", UPLOAD, cwd=project).stdout.split("\n")[:2] == ["200 5242880", "413 "]


def test_proxies_overwrite_what_is_believed(project: Path) -> None:
    text = chapter((project / "README.md").read_text("utf-8"), "Deploy")
    [nginx] = blocks(text, "nginx")
    [caddy] = blocks(text, "caddy")
    for header in ("X-Request-ID", *(f"X-Forwarded-{name}" for name in ("For", "Proto", "Host", "Port", "Prefix"))):
        assert f"proxy_set_header {header} " in nginx
        assert re.search(rf"header_up -?{header}\b", caddy)


def test_every_variable_is_explained(default_project: Path) -> None:
    table = chapter((default_project / "README.md").read_text("utf-8"), "Configure")
    explained = set(re.findall(r"`([A-Z][A-Z_]+)`", table))
    offered = set(re.findall(r"^#? ?([A-Z_]+)=", (default_project / ".env.example").read_text(), re.MULTILINE))
    read = set(re.findall(r'read\("([A-Z_]+)"', (default_project / "app/config.py").read_text()))
    assert len(read) > 30
    assert offered <= explained
    assert read <= explained
    assert read <= offered


def test_dependencies_are_explained(default_project: Path) -> None:
    described = tomllib.loads((default_project / "pyproject.toml").read_text())["project"]
    extras = described["optional-dependencies"]
    table = chapter((default_project / "README.md").read_text("utf-8"), "Why each dependency")
    for requirement in [*described["dependencies"], *extras["postgresql"], *extras["mysql"]]:
        assert re.split(r"[\[<>=]", requirement)[0] in table
