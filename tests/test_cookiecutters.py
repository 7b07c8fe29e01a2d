"""Every version of cookiecutter makes the same project, or says in one sentence what it lacks."""

import os
from pathlib import Path

import pytest
from conftest import BIN, files, run


def find_python(version: str, folder: Path) -> str:
    """Return a Python of this version from this machine; skip the test if there is none."""
    # These come before pyenv's shims, which refuse a version that is not the chosen one.
    chosen = sorted(Path(os.environ.get("PYENV_ROOT", "nowhere")).glob("versions/*/bin"))
    path = {"PATH": os.pathsep.join([*map(str, chosen), os.environ["PATH"]])}
    find = (BIN / "uv", "python", "find", "--no-python-downloads", version)
    found = run(*find, cwd=folder, check=False, env=os.environ | path)
    if found.returncode:
        pytest.skip(f"Python {version} is not installed")
    return found.stdout.strip()


def install(requirement: str, folder: Path, python: str) -> Path:
    """Install a cookiecutter into an environment of its own, and return its command."""
    run(BIN / "uv", "venv", "--quiet", "--python", python, folder / "venv", cwd=folder)
    packages = (requirement, "setuptools<82")  # cookiecutter 1 and 2.1 need pkg_resources, which later versions lack
    run(BIN / "uv", "pip", "install", "--quiet", "--python", folder / "venv/bin/python", *packages, cwd=folder)
    return folder / "venv/bin/cookiecutter"


@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_the_newest_one_for_an_old_python(template: Path, default_project: Path, tmp_path: Path, version: str) -> None:
    command = install("cookiecutter", tmp_path, find_python(version, tmp_path))
    for answer in ("yes", "no"):
        out = tmp_path / answer
        made = run(command, template, "--no-input", "--output-dir", out, f"example={answer}", cwd=tmp_path)
        assert made.stdout.split() == ["cd", "my_flask_app", "uv", "run", "flask", "run"]
        assert made.stderr == ""
        assert (out / "my_flask_app/app/blog").exists() == (answer == "yes")

    made_files, expected = files(tmp_path / "yes/my_flask_app"), files(default_project)
    assert made_files.pop(".env") != expected.pop(".env")
    assert made_files == expected


def test_the_oldest_that_will_do(template: Path, default_project: Path, tmp_path: Path) -> None:
    command = install("cookiecutter==2.1.1", tmp_path, "3.11")
    run(command, template, "--no-input", "--output-dir", tmp_path / "out", cwd=tmp_path)
    assert files(tmp_path / "out/my_flask_app").keys() == files(default_project).keys()


def test_the_one_of_debian_says_what_is_needed(template: Path, tmp_path: Path) -> None:
    command = install("cookiecutter==1.7.3", tmp_path, "3.11")
    refused = run(command, template, "--no-input", "--output-dir", tmp_path / "out", cwd=tmp_path, check=False)
    assert refused.returncode == 1
    [sentence] = (refused.stdout + refused.stderr).splitlines()
    assert sentence == "Unable to load extension: No module named 'flask_dblog_template_needs_cookiecutter_2'"
    assert not (tmp_path / "out").exists()
