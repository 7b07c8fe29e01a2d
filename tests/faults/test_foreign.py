"""README's steps carry the log into other applications, where the tests open every page of it."""

import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
from readmes import lines

from .conftest import PROGRAMS, Site

MARK = "# The log comes here."
# Each application has its file, its name there, the log's module, and the base template that the pages extend.
PLACES = {
    "microblog": ("app/__init__.py", "app:create_app", "app.carried.dblog", "its own"),
    "flaskr": ("flaskr/__init__.py", "flaskr:create_app", "flaskr.carried.dblog", "its own"),
    "single": ("shop.py", "shop:app", "carried.dblog", "plain"),
}


def carry(project: Path, file: Path) -> None:
    """Follow the chapter: run its commands in the folder of a file, and put its lines into the file."""
    readme = project / "README.md"
    _install, commands = lines(readme, "Carry the log into another application")
    imports, calls = lines(readme, "Carry the log into another application", "python")
    script = commands.replace("/path/to/my_flask_app", str(project))
    subprocess.run(["bash", "-e", "-c", script], cwd=file.parent, check=True)
    if file.name != "__init__.py":
        imports = imports.replace("from .carried", "from carried")
    source = file.read_text("utf-8")
    [indent] = re.findall(f"^( *){MARK}", source, re.MULTILINE)
    file.write_text(imports + source.replace(f"{indent}{MARK}\n", textwrap.indent(calls, indent)), "utf-8")


@pytest.mark.parametrize("name", PLACES)
def test_in_a_foreign_application(name: str, project: Path, venv: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(PROGRAMS / "foreign" / name, tmp_path / name)
    file, application, log, base = PLACES[name]
    carry(project, folder / file)
    site = Site(folder, venv / "python")
    site.run(PROGRAMS / "foreign" / "visit.py", application, log, base)
    assert "half-way of susan" in site.run("-m", "flask", "--app", application, "log", "list").stdout
