"""A folder name that cannot work is refused in one sentence, and nothing is left behind."""

import json
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from conftest import BIN, Bake, files, run

REFUSED = ["../evil", "..", "a/b", "/tmp/evil", "a\\b", "My App", "123", "", " ", "con", "lpt1"]
REFUSED += ["flask", "Flask", "flask_login", "my_app_", "é", "a\nb", "x" * 65, "a.b", "-a", "$HOME"]


@pytest.mark.parametrize("slug", REFUSED)
def test_refusal_is_one_sentence(bake: Bake, tmp_path: Path, slug: str) -> None:
    target = tmp_path / "out"
    target.mkdir()
    refused = bake(to=target, check=False, project_slug=slug)
    assert refused.returncode == 1
    assert not refused.stdout
    assert re.fullmatch(r"[^\n]+: type [^\n]+\.\n", refused.stderr)
    assert files(tmp_path) == {}
    assert [*target.iterdir()] == []


@pytest.mark.parametrize("slug", ["app", "tests", "my-app", "a", "x" * 64])
def test_unusual_names_are_fine(bake: Bake, tmp_path: Path, slug: str) -> None:
    bake(to=tmp_path, project_slug=slug)
    assert (tmp_path / slug / "pyproject.toml").exists()


def test_no_project_takes_the_name_of_what_it_depends_on(default_project: Path, bake: Bake, tmp_path: Path) -> None:
    described = tomllib.loads((default_project / "pyproject.toml").read_text("utf-8"))["project"]
    lines = chain(described["dependencies"], *described["optional-dependencies"].values())
    for name in sorted({re.split(r"[\[<>=;]", line)[0].lower() for line in lines}):
        assert bake(to=tmp_path, check=False, project_slug=name).returncode == 1, name
    assert [*tmp_path.iterdir()] == []


def test_existing_folder_is_left_alone(bake: Bake, tmp_path: Path) -> None:
    folder = tmp_path / "my_flask_app"
    folder.mkdir()
    (folder / "precious.txt").write_text("mine")
    refused = bake(to=tmp_path, check=False)
    assert refused.returncode == 1
    assert len((refused.stdout + refused.stderr).splitlines()) == 1
    assert files(tmp_path) == {"my_flask_app/precious.txt": b"mine"}


def test_cruft_refuses_the_same(template: Path, tmp_path: Path) -> None:
    answers = json.dumps({"project_slug": "../evil"})
    command = (BIN / "cruft", "create", template, "--no-input", "--extra-context", answers)
    refused = run(*command, cwd=tmp_path, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("'../evil' cannot be")
    assert len(refused.stderr.splitlines()) == 1
    assert [*tmp_path.iterdir()] == []


def test_replayed_answer_is_refused_the_same(bake: Bake, home: Path, tmp_path: Path) -> None:
    """A replay skips the prompts, and with them the first check."""
    bake(to=tmp_path)
    recorded = home / ".cookiecutter_replay" / "flask-dblog-template.json"
    replay = json.loads(recorded.read_text("utf-8"))
    replay["cookiecutter"]["project_slug"] = "con"
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(replay))
    template = replay["cookiecutter"]["_template"]
    command = (BIN / "cookiecutter", template, "--replay-file", forged)
    refused = run(*command, cwd=tmp_path, check=False)
    assert refused.returncode == 1
    assert refused.stderr == "'con' cannot be a folder on Windows: type another name, such as con_app.\n"
    assert not (tmp_path / "con").exists()
