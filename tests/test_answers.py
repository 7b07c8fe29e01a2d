"""Whatever is typed at a prompt is data: the project is valid and has exactly this text."""

import itertools
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from conftest import BIN, FOLDER, ROOT, Bake, files, run
from dotenv import dotenv_values
from readmes import faults, headings

HOSTILE = [
    "O'Neil's \"big\" app",
    r"back\slash \n \" \u00",
    '"""',
    "'''",
    "a\nb",
    "a\r\n\tb\x7f",
    "# not a comment #",
    "#% if trouble",
    "$HOME ${SECRET_KEY} $(id) `id`",
    "{{ 7 * 7 }}",
    "{{ cookiecutter.no_such_thing }}",
    "{% if %} {# {% endraw %} }}",
    "{ } [ ] < > & | ; %",
    "--- : - * ! @ ? ,",
    "🚀 مرحبا Ünï",
]


def one_line(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()


@pytest.mark.parametrize("answer", HOSTILE)
def test_answer_comes_back_as_it_was_typed(bake: Bake, tmp_path: Path, answer: str) -> None:
    bake(to=tmp_path, project_name=answer, author_name=answer, database="postgresql")
    [project] = tmp_path.iterdir()

    described = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    assert described["name"] == project.name
    assert described["description"] == one_line(answer)
    assert described["authors"] == [{"name": one_line(answer)}]
    assert tomllib.loads((project / "app/site.toml").read_text("utf-8")) == {"name": answer, "slug": project.name}
    assert one_line(answer) in (project / "LICENSE").read_text("utf-8")
    assert len(dotenv_values(project / ".env")["SECRET_KEY"] or "") >= 32
    assert [*faults(project / "README.md")] == []
    assert headings((project / "README.md").read_text("utf-8"))[0] == (1, one_line(answer))


@pytest.mark.parametrize("name", ["🚀", "  ", "2048", "Flask", "con", "x" * 300, "---", "App_"])
def test_every_name_gets_a_usable_folder(bake: Bake, tmp_path: Path, name: str) -> None:
    bake(to=tmp_path, project_name=name)
    [project] = tmp_path.iterdir()
    assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", project.name)


LICENSES = {
    "MIT": ("MIT", "Permission is hereby granted"),
    "Apache-2.0": ("Apache-2.0", "TERMS AND CONDITIONS FOR USE"),
    "Proprietary": ("LicenseRef-Proprietary", "All rights reserved."),
}
DRIVERS = {"sqlite": None, "postgresql": "psycopg[binary]", "mysql": "PyMySQL[rsa]"}
CHOICES = [*itertools.product(DRIVERS, LICENSES, ["yes", "no"])]


@pytest.mark.parametrize(("database", "license_name", "example"), CHOICES)
def test_every_combination_of_choices(
    bake: Bake, tmp_path: Path, database: str, license_name: str, example: str
) -> None:
    bake(to=tmp_path, database=database, license=license_name, example=example)
    project = tmp_path / "my_flask_app"

    described = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    identifier, sentence = LICENSES[license_name]
    assert described["license"] == identifier
    assert ("Private :: Do Not Upload" in described["classifiers"]) == (license_name == "Proprietary")
    assert sentence in (project / "LICENSE").read_text("utf-8")
    assert (project / "LICENSE").read_text("utf-8").count("Copyright (c)") <= 1

    drivers = {name for name in DRIVERS.values() if name}
    needed = {re.split("[<>=;]", line)[0] for line in described["dependencies"]}
    assert needed & drivers == {DRIVERS[database]} - {None}
    offered = (project / ".env.example").read_text("utf-8")
    assert f"\n# DATABASE_URL={database}://" in offered
    assert dotenv_values(project / ".env").keys() == {"SECRET_KEY"}

    assert (project / "app/blog").exists() == (example == "yes")
    nothing_unrendered(project)
    assert [*faults(project / "README.md")] == []


def test_readme_of_the_template_is_markdown() -> None:
    assert [*faults(ROOT / "README.md")] == []


def nothing_unrendered(project: Path) -> None:
    for name, content in files(project).items():
        leftover = re.search(rb"cookiecutter\.|^\s*#%|# (end )?example( #})?\n", content)
        assert not leftover, f"{leftover} in {name}"


def test_only_five_files_are_rendered(default_project: Path, template: Path) -> None:
    source = files(template / FOLDER)
    made = files(default_project)
    marked = {name for name, content in source.items() if b"# end example" in content}
    changed = {name for name in source if source[name] != made.get(name)} - marked
    assert changed <= {"README.md", "pyproject.toml", ".env.example", "LICENSE", "app/site.toml"}
    assert made.keys() - source.keys() == {".env"}


def test_extras_group_and_package_list_agree(default_project: Path) -> None:
    whole = tomllib.loads((default_project / "pyproject.toml").read_text("utf-8"))
    extras = whole["project"]["optional-dependencies"]
    assert {name: extras[name] for name in ("dev", "engine")} == whole["dependency-groups"]
    for requirement in [*whole["project"]["dependencies"], *itertools.chain(*extras.values())]:
        assert re.search(r">=\d[\d.]*,<\d+", requirement), f"{requirement} has no upper bound"


def test_actions_are_pinned_to_a_commit() -> None:
    """A tag can be moved to other code; a commit cannot."""
    used = re.findall(r"uses: *(.+)", "".join(path.read_text() for path in ROOT.glob(".github/workflows/*.yml")))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("platform", ["x86_64-unknown-linux-musl", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"])
def test_first_run_needs_no_compiler(default_project: Path, platform: str) -> None:
    """`uv run` installs the dependencies and the group `dev`; each has a wheel for every machine."""
    command = (BIN / "uv", "pip", "compile", "--quiet", "pyproject.toml", "--group", "dev", "--only-binary", ":all:")
    resolved = run(*command, "--python-platform", platform, cwd=default_project).stdout
    packages = set(re.findall(r"^([\w.-]+)==", resolved, flags=re.MULTILINE))
    assert {"flask", "pytest", "mypy"} <= packages
    assert not packages & {"gevent", "hypothesis", "zope-interface", "zope-event", "cffi", "setuptools"}
    whole = tomllib.loads((default_project / "pyproject.toml").read_text("utf-8"))
    assert "default-groups" not in whole["tool"]["uv"]


def test_poetry_and_pdm_are_told_that_it_is_no_package(default_project: Path) -> None:
    tool = tomllib.loads((default_project / "pyproject.toml").read_text("utf-8"))["tool"]
    assert tool["poetry"] == {"package-mode": False}
    assert tool["pdm"] == {"distribution": False}
    assert tool["uv"] == {"package": False}


UNUSABLE = [
    ("author_name", None, "a text"),
    ("project_name", None, "a text"),
    ("project_name", ["a", "b"], "a text"),
    ("project_slug", None, "a text"),
    ("project_slug", 7, "a text"),
    ("database", None, "one of sqlite, postgresql, mysql"),
    ("database", "oracle", "one of sqlite, postgresql, mysql"),
    ("license", ["MIT", "Apache-2.0"], "one of MIT, Apache-2.0, Proprietary"),
    ("example", "perhaps", "yes or no"),
]
BY_HAND = {"project_name": "Shop", "project_slug": "shop", "author_name": "Ada", "database": "sqlite", "license": "MIT"}


def replayed(template: Path, folder: Path, answers: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Generate from a replay file with these answers alone, as somebody may write it by hand."""
    written = folder / "answers.json"
    written.write_text(json.dumps({"cookiecutter": answers}))
    command = (BIN / "cookiecutter", template, "--replay-file", written, "--output-dir", folder / "out")
    return run(*command, cwd=folder, check=False)


@pytest.mark.parametrize("answer", ["yes", "no", True, False])
def test_replay_file_written_by_hand(template: Path, tmp_path: Path, answer: object) -> None:
    assert replayed(template, tmp_path, BY_HAND | {"example": answer}).returncode == 0
    project = tmp_path / "out" / "shop"
    assert (project / "app/blog").exists() == (answer in ("yes", True))
    nothing_unrendered(project)


@pytest.mark.parametrize("name", [*BY_HAND, "example"])
def test_replay_file_that_lacks_an_answer(template: Path, tmp_path: Path, name: str) -> None:
    """cookiecutter asks for the missing answer, but nobody is there to give it."""
    asked = replayed(template, tmp_path, {key: BY_HAND[key] for key in BY_HAND if key != name})
    assert asked.returncode == 1
    assert "Traceback" not in asked.stdout + asked.stderr


@pytest.mark.parametrize(("name", "answer", "expected"), UNUSABLE)
def test_unusable_answer_is_refused_in_one_sentence(
    template: Path, tmp_path: Path, name: str, answer: object, expected: str
) -> None:
    refused = replayed(template, tmp_path, BY_HAND | {"example": True, name: answer})
    assert refused.returncode == 1
    assert refused.stderr == f"{name} cannot be {json.dumps(answer)}: give it {expected}.\n"
    assert not refused.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["project_name", "project_slug", "author_name"])
def test_null_in_the_users_own_configuration(bake: Bake, tmp_path: Path, name: str) -> None:
    """Answers in that file are defaults for every template, and cookiecutter passes null on unchanged."""
    configuration = tmp_path / "cookiecutter.yaml"
    configuration.write_text(f"default_context:\n  {name}: null\n")
    refused = bake("--config-file", configuration, to=tmp_path, check=False)
    assert refused.returncode == 1
    assert refused.stderr == f"{name} cannot be null: give it a text.\n"
    assert [*tmp_path.iterdir()] == [configuration]


def test_prompts_are_for_people() -> None:
    """rich would treat text in square brackets as its own markup."""
    text = (ROOT / "cookiecutter.json").read_text("utf-8")
    prompts = text[text.index("__prompts__") : text.index('"_extensions"')]
    assert "[" not in prompts
