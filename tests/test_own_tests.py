"""What a generated project brings: its own tests, on every database, by DATABASE_URL alone."""

import os
from pathlib import Path

import pytest
from conftest import BIN, SERVERS, Bake, files, install, reachable, run


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    return reachable(request.param)


#: The owner's tests, and those that `pytest` leaves out unless they are named.
FOLDERS = ("tests", "tests/dblog", "tests/audit", "tests/processes")
each_folder = pytest.mark.parametrize("folder", FOLDERS)


def own_tests(python: Path, project: Path, *folders: str, **variables: str) -> None:
    for folder in folders:  # one by one: pytest leaves out a folder within another that it is given
        command = (python / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", folder)
        assert " passed" in run(*command, cwd=project, env=os.environ | variables).stdout


@each_folder
def test_on_sqlite(venv: Path, project: Path, tmp_path: Path, folder: str) -> None:
    """And they leave nothing behind in the project's folder, but for the tools' caches."""
    before = files(project)
    caches = {"PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path / "hypothesis")}
    own_tests(venv, project, folder, **caches)
    assert files(project).keys() == before.keys()


def test_the_owners_tests_need_no_tools_of_the_engine(project: Path) -> None:
    """`uv run pytest` in a new project installs neither gevent nor hypothesis."""
    look = "from importlib.util import find_spec; print(find_spec('gevent'), find_spec('hypothesis'))"
    assert run(BIN / "uv", "run", "--quiet", "python", "-c", look, cwd=project).stdout == "None None\n"
    assert " passed" in run(BIN / "uv", "run", "pytest", "-q", "-p", "no:cacheprovider", cwd=project).stdout


@pytest.mark.slow
@each_folder
def test_on_a_server(venv: Path, project: Path, server: str, folder: str) -> None:
    own_tests(venv, project, folder, DATABASE_URL=server)


@pytest.mark.slow
def test_without_the_example(bake: Bake, venv: Path, tmp_path: Path) -> None:
    bake(to=tmp_path, example="no")
    own_tests(venv, tmp_path / "my_flask_app", *FOLDERS)


@pytest.mark.slow
def test_on_the_newest_python(project: Path, tmp_path: Path) -> None:
    # Before pyenv's shims, which say no to a version that is not the chosen one.
    chosen = sorted(Path(os.environ.get("PYENV_ROOT", "nowhere")).glob("versions/*/bin"))
    path = {"PATH": os.pathsep.join([*map(str, chosen), os.environ["PATH"]])}
    for version in ("3.14", "3.13", "3.12"):
        find = (BIN / "uv", "python", "find", "--no-python-downloads", version)
        found = run(*find, cwd=tmp_path, check=False, env=os.environ | path)
        if found.returncode == 0:
            own_tests(install(project, tmp_path / "venv", found.stdout.strip()), project, *FOLDERS)
            return
    # The only reason: this machine's Python is the oldest that will do, and the tests above ran on it.
    pytest.skip("no Python newer than 3.11 is installed")
