"""Whatever is typed at a prompt is data: the project is valid and says exactly that."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from conftest import FOLDER, ROOT, Bake, files
from dotenv import dotenv_values

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
    assert tomllib.loads((project / "app/site.toml").read_text("utf-8")) == {"name": answer}
    assert one_line(answer) in (project / "LICENSE").read_text("utf-8")
    assert len(dotenv_values(project / ".env")["SECRET_KEY"] or "") >= 32
    title = (project / "README.md").read_text("utf-8").splitlines()[0].removeprefix("# ")
    assert re.sub(r"\\(.)", r"\1", title) == one_line(answer)


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


def test_prompts_are_for_people() -> None:
    """rich would take what stands in square brackets for its own markup."""
    text = (ROOT / "cookiecutter.json").read_text("utf-8")
    prompts = text[text.index("__prompts__") : text.index("_extensions")]
    assert "[" not in prompts
