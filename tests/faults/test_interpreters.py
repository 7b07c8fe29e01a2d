"""The log works at the interpreter's end, and writes its text of tracebacks, on every Python of this machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import install, run

from .conftest import Site

PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
VERSIONS = ["3.11", "3.12", "3.13", "3.14"]


def interpreter(version: str) -> Path | None:
    """Return a Python that works, from the PATH or pyenv."""
    candidates: list[str | Path | None] = [
        shutil.which(f"python{version}"),
        *sorted(PYENV.glob(f"versions/{version}.*/bin/python")),
    ]
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "-V"], capture_output=True, check=False).returncode == 0:
            return Path(candidate)
    return None


@pytest.fixture(scope="module", params=VERSIONS)
def python(request: pytest.FixtureRequest, default_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = interpreter(request.param)
    if found is None:
        # The test skips only for this reason: the version need not be installed.
        pytest.skip(f"Python {request.param} is not here")
    return install(default_project, tmp_path_factory.mktemp("venv") / "venv", found) / "python"


@pytest.mark.slow
def test_no_log_call_raises_while_the_interpreter_shuts_down(project: Path, python: Path) -> None:
    site = Site(project, python)
    site.flask("db", "upgrade")
    done = site.program("shutdown")
    assert "Traceback" not in done.stderr
    assert "Logging error" not in done.stderr
    assert "Exception ignored" not in done.stderr
    said = set(done.stdout.splitlines())
    assert {"a thread after the main thread", "atexit, registered after the application"} <= said
    site.flush()
    assert site.counts().messages.keys() >= said


@pytest.mark.slow
def test_tracebacks(project: Path, python: Path) -> None:
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/dblog/test_tracebacks.py", cwd=project)
