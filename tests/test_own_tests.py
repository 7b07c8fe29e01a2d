"""A generated project's own tests pass on every database, which DATABASE_URL alone chooses."""

import os
from pathlib import Path

import pytest
from conftest import BIN, ROOT, Bake, files, install, reachable, run


@pytest.fixture(params=["PostgreSQL", "MariaDB"])
def server(request: pytest.FixtureRequest) -> str:
    return reachable(request.param)


TESTS = ROOT / "{{cookiecutter.project_slug}}" / "tests"
#: `pytest` leaves these out unless it is told; `processes` takes long, so its modules run one by one.
ENGINE = (
    "tests/dblog",
    "tests/audit",
    *sorted(f"tests/processes/{path.name}" for path in TESTS.glob("processes/test_*")),
)
PARTS = ("tests", *ENGINE)
ABOUT_SERVERS = "tests/processes/test_servers.py"
each_part = pytest.mark.parametrize("part", PARTS)


def own_tests(python: Path, project: Path, *parts: str, **variables: str) -> None:
    for part in parts:  # one by one, because pytest ignores a folder inside another that it is given
        command = (python / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", part)
        assert " passed" in run(*command, cwd=project, env=os.environ | variables).stdout


def test_the_parts_are_all_there_is() -> None:
    assert {path.name for path in TESTS.iterdir() if path.is_dir()} - {"__pycache__"} == {"dblog", "audit", "processes"}


@pytest.mark.parametrize("part", [part for part in ENGINE if part != ABOUT_SERVERS])
def test_on_sqlite(venv: Path, project: Path, tmp_path: Path, part: str) -> None:
    """The tests also leave nothing in the project's folder except the tools' caches."""
    before = files(project)
    caches = {"PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path / "hypothesis")}
    own_tests(venv, project, part, **caches)
    assert files(project).keys() == before.keys()


def test_the_owners_tests_on_sqlite(project: Path) -> None:
    """An owner's `uv run pytest` installs neither gevent nor hypothesis, which only the engine's tests need."""
    before = files(project)
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    look = "from importlib.util import find_spec; print(find_spec('gevent'), find_spec('hypothesis'))"
    assert run(BIN / "uv", "run", "--quiet", "python", "-c", look, cwd=project, env=env).stdout == "None None\n"
    assert " passed" in run(BIN / "uv", "run", "pytest", "-q", "-p", "no:cacheprovider", cwd=project, env=env).stdout
    assert {name for name in files(project).keys() - before.keys() if not name.startswith(".venv/")} == {"uv.lock"}


#: Pages, headers, log lines or databases could fail on these names; each comes with other answers that differ, too.
HOSTILE_ANSWERS = [
    pytest.param({"project_name": "O'Neil's \"big\" <b>app</b> & {{ 7 }}", "database": "postgresql"}, id="markup"),
    pytest.param(
        {"project_name": "% \\ %s {x} 🚀\nmore", "database": "mysql", "license": "Proprietary", "example": "no"},
        id="formats",
    ),
    pytest.param(
        {"project_name": "---", "project_slug": "tests", "author_name": 'A "B" <c@d>', "license": "Apache-2.0"},
        id="names",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("answers", HOSTILE_ANSWERS)
def test_the_owners_tests_whatever_was_answered(
    bake: Bake, venv: Path, tmp_path: Path, answers: dict[str, str]
) -> None:
    bake(*(f"{name}={answer}" for name, answer in answers.items()), to=tmp_path)
    [project] = tmp_path.iterdir()
    own_tests(venv, project, "tests")


@pytest.mark.slow
def test_beside_pytest_flask(venv: Path, project: Path, tmp_path: Path) -> None:
    """pytest-flask keeps one request open for a whole test, so a user would stay logged in.

    A fixture of conftest.py prevents that; the tests of sessions and navigation would notice.
    """
    run(BIN / "uv", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path, "pytest-flask>=1.3,<2", cwd=ROOT)
    command = (venv / "python", "-m", "pytest", "-p", "no:cacheprovider")
    parts = ("tests/test_user_sessions.py", "tests/test_pages.py")
    said = run(*command, *parts, cwd=project, env=os.environ | {"PYTHONPATH": str(tmp_path)}).stdout
    assert "plugins: flask-1." in said
    assert " passed" in said


@pytest.mark.slow
@each_part
def test_on_a_server(venv: Path, project: Path, server: str, part: str) -> None:
    own_tests(venv, project, part, DATABASE_URL=server)


@pytest.mark.slow
@pytest.mark.parametrize("part", [part for part in ENGINE if "migration" in part or "start" in part])
def test_without_the_example(bake: Bake, venv: Path, tmp_path: Path, part: str) -> None:
    """Without the example there is one revision less.

    A test above runs the owner's tests without it; the engine's other tests have models of their own.
    """
    bake(to=tmp_path, example="no")
    own_tests(venv, tmp_path / "my_flask_app", part)


@pytest.mark.slow
def test_on_the_newest_python(project: Path, tmp_path: Path) -> None:
    # Before pyenv's shims, which say no to a version that is not the chosen one.
    chosen = sorted(Path(os.environ.get("PYENV_ROOT", "nowhere")).glob("versions/*/bin"))
    path = {"PATH": os.pathsep.join([*map(str, chosen), os.environ["PATH"]])}
    for version in ("3.14", "3.13", "3.12"):
        find = (BIN / "uv", "python", "find", "--no-python-downloads", version)
        found = run(*find, cwd=tmp_path, check=False, env=os.environ | path)
        if found.returncode == 0:
            # The tests of processes are left out, because they run the same code.
            own_tests(install(project, tmp_path / "venv", found.stdout.strip()), project, *PARTS[:3])
            return
    # The test skips only for this reason: this machine has the oldest Python, and the tests above ran on it.
    pytest.skip("no Python newer than 3.11 is installed")
