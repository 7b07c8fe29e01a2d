"""A project gets the right files, and they belong to its developer afterwards."""

import re
import stat
from pathlib import Path

import pytest
from conftest import BIN, FOLDER, Bake, files, git, run
from dotenv import dotenv_values

OWN = {
    "app/shop.py": "mine",
    "app/blog/feeds.py": "mine too",
    "app/templates/shop.html": "{{ cookiecutter.mine }}",
    "instance/app.db": "my data",
    "migrations/versions/0009_mine.py": "# example\nkept\n# end example\n",
    ".env": "SECRET_KEY=mine\n",
}


def add_own_files(project: Path) -> None:
    for name, content in OWN.items():
        path = project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


def test_env_is_private_and_never_the_same(bake: Bake, default_project: Path, tmp_path: Path) -> None:
    bake(to=tmp_path)
    env = tmp_path / "my_flask_app" / ".env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert dotenv_values(env) != dotenv_values(default_project / ".env")


def test_last_words_are_the_next_two_commands(bake: Bake, tmp_path: Path) -> None:
    said = bake(to=tmp_path, project_slug="shop")
    assert said.stdout.split("\n") == ["", "    cd shop", "    uv run flask run", "", ""]
    assert said.stderr == ""


def test_second_run_changes_nothing(bake: Bake, project: Path) -> None:
    before = files(project)
    bake("--overwrite-if-exists", to=project.parent)
    assert files(project) == before


def test_overwriting_keeps_what_the_developer_added(bake: Bake, project: Path) -> None:
    add_own_files(project)
    bake("--overwrite-if-exists", to=project.parent)
    for name, content in OWN.items():
        assert (project / name).read_text() == content, name


def test_dropping_the_example_later_keeps_what_the_developer_added(bake: Bake, project: Path) -> None:
    add_own_files(project)
    bake("--overwrite-if-exists", to=project.parent, example="no")
    for name, content in OWN.items():
        assert (project / name).read_text() == content, name
    assert [path.name for path in (project / "app/blog").iterdir()] == ["feeds.py"]


def test_what_the_developer_edited_stays_if_files_that_exist_are_skipped(bake: Bake, project: Path) -> None:
    edited = ["README.md", "app/__init__.py", "app/site.toml", "app/templates/base.html", "app/static/site.css"]
    edited += [".gitignore", ".flaskenv", "migrations/script.py.mako", "app/blog/views.py"]
    for name in edited:
        (project / name).write_text("mine\n")
    (project / "app/config.py").unlink()
    bake("--overwrite-if-exists", "--skip-if-file-exists", to=project.parent)
    for name in edited:
        assert (project / name).read_text() == "mine\n", name
    assert (project / "app/config.py").exists()


@pytest.mark.parametrize("example", ["yes", "no"])
def test_without_hooks_only_env_is_missing(bake: Bake, tmp_path: Path, example: str) -> None:
    bake("--output-dir", tmp_path / "with", example=example)
    bake("--accept-hooks=no", "--output-dir", tmp_path / "without", example=example)
    expected = files(tmp_path / "with")
    del expected["my_flask_app/.env"]
    assert files(tmp_path / "without") == expected


def test_without_the_example_there_is_no_trace_of_it(bake: Bake, tmp_path: Path) -> None:
    bake(to=tmp_path, example="no")
    for name, content in files(tmp_path / "my_flask_app").items():
        assert not re.search("blog|posts", name.removeprefix("my_flask_app").replace("dblog", "")), name
        if name.endswith((".py", ".html", ".js", ".md", ".toml")):
            text = re.sub("dblog", "", content.decode())
            assert not re.search(r"\b[Bb]log(?!ger)|\b[Pp]osts\b|\bPost\b", text), name


def test_with_the_example_every_marked_line_is_there(default_project: Path, template: Path) -> None:
    source = files(template / FOLDER)
    marked = [name for name, content in source.items() if b"# end example" in content]
    assert marked
    for name in marked:
        lines = [line for line in source[name].splitlines() if not re.search(rb"# (end )?example( #})?$", line)]
        assert (default_project / name).read_bytes().splitlines() == lines


def test_junk_of_the_working_tree_stays_there(template: Path, tmp_path: Path) -> None:
    """cookiecutter copies all files that it finds; users get a clone, which has only the committed ones."""
    messy, clean, out = tmp_path / "messy", tmp_path / "clean", tmp_path / "out"
    git("clone", "--quiet", template, messy, cwd=tmp_path)
    junk = ["app/__pycache__/x.pyc", "instance/app.db", ".venv/bin/python", ".env", ".mypy_cache/x", "uv.lock"]
    for name in junk:
        path = messy / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\x00junk")
    git("clone", "--quiet", messy, clean, cwd=tmp_path)
    run(BIN / "cookiecutter", clean, "--no-input", "--output-dir", out, cwd=tmp_path)
    made = files(out / "my_flask_app")
    assert made.keys() & {*junk} == {".env"}
    assert not any(b"junk" in content for content in made.values())


KEPT_OUT = """
.env .env~ .env.local .env.production .env.swp .env.bak .env.example~ .envrc
instance/app.db instance/app.log other.db app.log
.venv/pyvenv.cfg venv/pyvenv.cfg app/__pycache__/x.pyc shop.egg-info/PKG-INFO build/lib/x.py dist/shop.whl
.coverage .coverage.host.7 htmlcov/index.html .hypothesis/x .mypy_cache/x .pytest_cache/x .ruff_cache/x
app/config.py~ app/.config.py.swp app/config.py.rej app/config.py.orig
.idea/workspace.xml .vscode/settings.json .DS_Store app/.DS_Store Thumbs.db
"""
WRITTEN = ["uv.lock", "requirements.txt", "app/shop.py", "notes/env.md", "app/build.py"]


def test_git_add_takes_neither_keys_nor_junk(project: Path) -> None:
    brought = files(project).keys() - {".env"}
    for name in [*KEPT_OUT.split(), *WRITTEN]:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    git("init", "--quiet", cwd=project)
    git("add", ".", cwd=project)
    assert {*git("ls-files", cwd=project).splitlines()} == {*brought, *WRITTEN}


def test_docker_leaves_out_at_least_what_git_leaves_out(default_project: Path) -> None:
    kept_out = {line.lstrip("*/").rstrip("/") for line in (default_project / ".dockerignore").read_text().split()}
    assert {".env*", ".git", "instance", ".venv", "venv", "build", "dist", "htmlcov", "__pycache__"} <= kept_out


@pytest.mark.parametrize("kind", ["--wheel", "--sdist"])
def test_no_wheel_without_the_code(project: Path, kind: str) -> None:
    refused = run(BIN / "uv", "build", kind, cwd=project, check=False)
    assert refused.returncode != 0
    assert "This project is no package: its code runs from this folder, so deploy the folder." in refused.stderr
    assert not list(project.rglob("*.whl")) + list(project.rglob("*.tar.gz"))


def test_line_endings_are_unix_everywhere(default_project: Path) -> None:
    for name, content in files(default_project).items():
        assert b"\r" not in content or Path(name).suffix in {".png", ".ico", ".woff2"}, name
