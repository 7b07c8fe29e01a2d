"""The fixtures generate projects from the committed template and use them as their developer would.

TEMPLATE_TREE=work takes the working tree as it stands, without files that git ignores, instead of HEAD.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, Protocol
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "{{cookiecutter.project_slug}}"
BIN = Path(sys.executable).parent
IDENTITY = (
    "-c",
    "user.name=Test",
    "-c",
    "user.email=test@example.org",
    "-c",
    "commit.gpgsign=false",
)

SERVERS = {
    "PostgreSQL": os.environ.get("POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "MariaDB": os.environ.get("MARIADB_URL", "mysql://root@127.0.0.1:3306/mysql"),
    "Redis": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
}

# The tests need other servers beside the project's gunicorn, and workers for jobs.
OTHER_SERVERS = ("celery[redis]>=5.7,<6", "pyuwsgi>=2.0.30,<3", "rq>=3,<4", "waitress>=3.0.2,<4")

# A new project must not see these variables, which the developer's own shell may set.
FOREIGN = ("DATABASE_URL", "SECRET_KEY", "VIRTUAL_ENV", "PYTHONPATH", "COOKIECUTTER_CONFIG")
FOREIGN_PREFIXES = ("FLASK_", "LOG_", "GIT_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first: at the end one worker would run them while the other has nothing left to do."""
    items.sort(key=lambda item: item.path.name != "test_own_tests.py")


def run(
    *command: str | Path, cwd: Path, check: bool = True, env: Mapping[str, str] | None = None, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; if it fails, show its whole output as the test's message."""
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, input=typed, capture_output=True, text=True, check=False, timeout=1800
    )
    if check and done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def absent(what: str) -> NoReturn:
    """Skip the test on a laptop, which need not have everything, but fail in CI, where nobody would notice the skip."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def reachable(name: str) -> str:
    """Return the URL of a running server."""
    url = urlsplit(SERVERS[name])
    try:
        socket.create_connection((url.hostname or "", url.port or 0), timeout=2).close()
    except OSError:
        absent(f"{name} is not at {url.netloc}: start it, or set {name.upper()}_URL")
    return SERVERS[name]


def git(*arguments: str | Path, cwd: Path) -> str:
    return run("git", *IDENTITY, *arguments, cwd=cwd).stdout


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


class Bake(Protocol):
    def __call__(
        self, *options: str | Path, check: bool = True, to: Path | None = None, **answers: str
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the tests a home of their own that still shares the tools' caches."""
    folder = tmp_path_factory.mktemp("home")
    os.environ.setdefault("UV_CACHE_DIR", run(BIN / "uv", "cache", "dir", cwd=ROOT).stdout.strip())
    pip_cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "pip")
    os.environ.setdefault("PIP_CACHE_DIR", str(pip_cache))
    os.environ["HOME"] = str(folder)
    for name in [*os.environ]:
        if name in FOREIGN or name.startswith(FOREIGN_PREFIXES):
            del os.environ[name]
    return folder


@pytest.fixture(scope="session")
def template(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clean clone of the template, as a user would download it."""
    clone = tmp_path_factory.mktemp("template") / "flask-dblog-template"
    git("clone", "--quiet", ROOT, clone, cwd=ROOT)
    if os.environ.get("TEMPLATE_TREE") == "work":
        for name in git("ls-files", "-z", cwd=clone).split("\0")[:-1]:
            (clone / name).unlink()
        listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
        for path in (Path(name) for name in listed.split("\0")[:-1] if (ROOT / name).is_file()):
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, clone / path)
        git("add", "--all", cwd=clone)
        git("commit", "--quiet", "--allow-empty", "--message", "As it stands", cwd=clone)
    return clone


@pytest.fixture(scope="session")
def bake(template: Path) -> Bake:
    """Return a function that runs cookiecutter without prompts; `to` is the folder in which it makes the project."""

    def cookiecutter(
        *options: str | Path, check: bool = True, to: Path | None = None, **answers: str
    ) -> subprocess.CompletedProcess[str]:
        given = [f"{name}={answer}" for name, answer in answers.items()]
        return run(
            BIN / "cookiecutter",
            template,
            "--no-input",
            *options,
            *given,
            cwd=to or ROOT,
            check=check,
        )

    return cookiecutter


@pytest.fixture(scope="session")
def default_project(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project that the defaults make. Tests must not change it."""
    folder = tmp_path_factory.mktemp("default")
    bake(to=folder)
    return folder / "my_flask_app"


@pytest.fixture
def project(default_project: Path, tmp_path: Path) -> Path:
    """Return a copy of the default project that the test may change."""
    return Path(shutil.copytree(default_project, tmp_path / "my_flask_app"))


def install(project: Path, folder: Path, python: str | Path) -> Path:
    """Make an environment with everything that a generated project may depend on; return the folder of its commands.

    All of it is compiled to bytecode: many tests start processes that may not write bytecode, so each would compile it
    anew.
    """
    uv = BIN / "uv"
    run(uv, "venv", "--quiet", "--python", python, folder, cwd=project)
    requirements = ("--requirements", project / "pyproject.toml", "--all-extras")
    install = (uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", folder / "bin/python")
    run(*install, *requirements, cwd=project)
    return folder / "bin"


@pytest.fixture(scope="session")
def venv(default_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one such environment for all tests."""
    folder = install(default_project, tmp_path_factory.mktemp("venv") / "venv", sys.executable)
    run(BIN / "uv", "pip", "install", "--quiet", "--python", folder / "python", *OTHER_SERVERS, cwd=ROOT)
    return folder
