"""A new project can be extended to what the Flask Mega-Tutorial builds, as README says, on each database."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import BIN, ROOT, install, reachable, run

OVERLAY = Path(__file__).parent / "project"
#: A developer would add these to the project's dependencies.
LIBRARIES = ("aiosmtpd>=1.4.6,<2", "email-validator>=2.3,<3", "Flask-Babel>=4,<5")
PLACE = "    app.register_blueprint(accounts.bp)\n"
LINES = """
    from . import social

    app.register_blueprint(social.bp)
    app.register_blueprint(social.api)
"""


@pytest.fixture(scope="module")
def tutorial_venv(default_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = install(default_project, tmp_path_factory.mktemp("tutorial") / "venv", sys.executable)
    run(BIN / "uv", "pip", "install", "--quiet", "--python", folder / "python", *LIBRARIES, cwd=ROOT)
    return folder


@pytest.fixture
def social(project: Path) -> Path:
    """Return the project with the feature in it, and with the lines that README's chapter on models adds."""
    shutil.copytree(OVERLAY, project, dirs_exist_ok=True)
    assert f"below `{PLACE.strip()}`" in (project / "README.md").read_text("utf-8")
    factory = project / "app/__init__.py"
    source = factory.read_text()
    assert source.count(PLACE) == 1
    factory.write_text(source.replace(PLACE, PLACE + LINES))
    return project


@pytest.mark.parametrize(
    "server",
    ["", pytest.param("PostgreSQL", marks=pytest.mark.slow), pytest.param("MariaDB", marks=pytest.mark.slow)],
    ids=["SQLite", "PostgreSQL", "MariaDB"],
)
def test_the_tutorial(social: Path, tutorial_venv: Path, server: str) -> None:
    """The tables are made and dropped in the database that `.env` names; the tests run on the server's scratch
    databases.
    """
    environment = os.environ | {"PATH": f"{tutorial_venv}{os.pathsep}{os.environ['PATH']}"}

    def do(script: str, **variables: str) -> str:
        return run("bash", "-e", "-c", script, cwd=social, env=environment | variables).stdout

    do("pybabel --quiet compile --directory app/translations")
    do("flask db upgrade && flask db migrate -m 'Add profiles and messages'")
    do("flask db upgrade && flask db check && flask db downgrade && flask db upgrade")
    do("ruff check && ruff format --check && mypy")
    tested = do(
        "pytest -q -p no:cacheprovider tests/test_social.py",
        **({"DATABASE_URL": reachable(server)} if server else {}),
    )
    assert " passed" in tested
