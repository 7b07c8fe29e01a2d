"""ruff and mypy find nothing, in the template as it stands and in every project that it makes."""

import re
from pathlib import Path

import pytest
from conftest import BIN, FOLDER, Bake, files, run

STYLE = (("ruff", "check", "--no-cache"), ("ruff", "format", "--no-cache", "--check"))


@pytest.fixture(scope="session")
def types(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """Return the command for mypy of the generated project's environment, with one cache for all folders."""
    return [venv / "mypy", "--cache-dir", tmp_path_factory.mktemp("mypy")]


def test_template_in_place(template: Path, types: list[str | Path]) -> None:
    for command in STYLE:
        run(BIN / command[0], *command[1:], cwd=template)
    run(BIN / "mypy", cwd=template)
    run(*types, cwd=template / FOLDER)
    run(*types, "-p", "app", "-p", "tests", cwd=template / FOLDER)


@pytest.mark.parametrize("example", ["yes", "no"])
def test_project(bake: Bake, venv: Path, types: list[str | Path], tmp_path: Path, example: str) -> None:
    bake(to=tmp_path, example=example)
    for command in STYLE:
        run(venv / command[0], *command[1:], cwd=tmp_path / "my_flask_app")
    run(*types, cwd=tmp_path / "my_flask_app")


@pytest.mark.parametrize("answer", ["database=mysql", "license=Proprietary", 'author_name=A "B"', "project_name=Shop"])
def test_no_other_answer_changes_the_code(bake: Bake, default_project: Path, tmp_path: Path, answer: str) -> None:
    bake(answer, "project_slug=other", to=tmp_path)
    expected = files(default_project)
    for name, content in files(tmp_path / "other").items():
        if name.endswith((".py", ".html", ".js", ".css", ".mako")):
            assert content == expected[name], name


def test_benchmarks_install_what_the_project_needs(template: Path) -> None:
    """A benchmark names the packages that uv installs for it, among which all of the project's must be."""
    project = (template / FOLDER / "pyproject.toml").read_text("utf-8")
    needed = _names(project.partition("\ndependencies = [")[2].partition("#% if")[0])
    # Not every benchmark needs a server, and Flask brings click.
    needed -= {"gunicorn", "click", "alembic"}
    scripts = [path.read_text("utf-8").partition("# ///\n")[0] for path in template.glob("benchmarks/*.py")]
    headers = [header for header in map(_names, scripts) if "Flask-Login" in header]
    assert len(headers) > 4
    assert [needed - header for header in headers] == [set()] * len(headers)


def _names(requirements: str) -> set[str]:
    return set(re.findall(r'"([A-Za-z][\w-]*)[^"]*[<>=]', requirements))
