"""cruft makes the same project as cookiecutter, and brings later changes of the template into it."""

import json
import re
from pathlib import Path

import pytest
from conftest import BIN, FOLDER, files, git, run
from readmes import chapter

HOSTILE = {"project_name": '{{ 7 }} "a" \\ 🚀', "author_name": "{% x %}", "project_slug": "my_flask_app"}


@pytest.fixture
def changing_template(template: Path, tmp_path: Path) -> Path:
    clone = tmp_path / "changing"
    git("clone", "--quiet", template, clone, cwd=tmp_path)
    return clone


def create(template: Path, where: Path, **answers: str) -> Path:
    """Let cruft make a project, and put it under git as its developer would."""
    where.mkdir()
    options = ("--no-input", "--extra-context", json.dumps(answers))
    run(BIN / "cruft", "create", template, *options, cwd=where)
    project = where / "my_flask_app"
    git("init", "--quiet", cwd=project)
    commit(project)
    return project


def commit(folder: Path) -> None:
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message", "Next", cwd=folder)


def update(project: Path) -> str:
    return run(BIN / "cruft", "update", "--skip-apply-ask", cwd=project).stdout


def test_same_project_as_cookiecutters(template: Path, default_project: Path, tmp_path: Path) -> None:
    made = files(create(template, tmp_path / "new"))
    made = {name: made[name] for name in made if not name.startswith((".git/", ".cruft.json", ".env"))}
    expected = files(default_project)
    assert made == {name: expected[name] for name in expected if not name.startswith(".env")}


def test_nothing_new(changing_template: Path, tmp_path: Path) -> None:
    project = create(changing_template, tmp_path / "new")
    assert "Nothing to do" in update(project)
    assert git("status", "--porcelain", cwd=project) == ""


@pytest.mark.parametrize("answers", [{}, HOSTILE, {"example": "no"}], ids=["defaults", "hostile", "no example"])
def test_change_of_the_template_merges(changing_template: Path, tmp_path: Path, answers: dict[str, str]) -> None:
    project = create(changing_template, tmp_path / "new", **answers)
    before = files(project)
    (project / "app/shop.py").write_text("mine\n")
    readme = project / "README.md"
    readme.write_text(readme.read_text("utf-8") + "\nMy own chapter.\n", "utf-8")
    commit(project)

    source = changing_template / FOLDER
    (source / "app/news.py").write_text('"""New in the template."""\n')
    gitignore = source / ".gitignore"
    gitignore.write_text(gitignore.read_text() + "news/\n")
    commit(changing_template)

    update(project)
    assert [*project.rglob("*.rej")] == []
    changed = {line[3:] for line in git("status", "--porcelain", cwd=project).splitlines()}
    assert changed == {".cruft.json", ".gitignore", "app/news.py"}
    assert (project / ".gitignore").read_text().endswith("news/\n")
    assert "My own chapter." in readme.read_text("utf-8")
    after = files(project)
    for name in (".env", "pyproject.toml", "app/site.toml"):
        assert after[name] == before[name]


def follow(project: Path, title: str, *deleted: str) -> None:
    """Follow README for an unwanted part: delete its files, and name them to cruft."""
    run("bash", "-c", f"rm -r {' '.join(deleted)}", cwd=project)
    text = chapter((project / "README.md").read_text("utf-8"), title)
    [skip] = re.findall(r"`(skip = \[[^`]+\])`", text)
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text("utf-8").replace('skip = [".env"]', skip), "utf-8")
    assert skip in settings.read_text("utf-8")
    commit(project)


@pytest.mark.parametrize(
    ("title", "deleted", "new"),
    [
        ("Audit changes", ["app/audit", "tests/*audit*"], ["app/audit/news.py", "tests/test_audit_news.py"]),
        ("Remove the example", ["app/blog", "tests/test_blog.py"], ["app/blog/news.py", "tests/test_blog_news.py"]),
    ],
)
def test_what_was_dropped_does_not_come_back(
    changing_template: Path, tmp_path: Path, title: str, deleted: list[str], new: list[str]
) -> None:
    project = create(changing_template, tmp_path / "new")
    follow(project, title, *deleted)

    source = changing_template / FOLDER
    for name in [*new, "app/news.py"]:
        (source / name).write_text('"""New in the template."""\n')
    for pattern in deleted:
        for path in source.glob(pattern):
            for file in [path] if path.is_file() else path.rglob("*.py"):
                file.write_text(file.read_text("utf-8") + "\n# Changed in the template\n", "utf-8")
    commit(changing_template)

    update(project)
    assert [*project.rglob("*.rej")] == []
    changed = {line[3:] for line in git("status", "--porcelain", cwd=project).splitlines()}
    assert changed == {".cruft.json", "app/news.py"}
