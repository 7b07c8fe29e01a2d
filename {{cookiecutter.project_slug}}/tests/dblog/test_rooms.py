"""The folder that a module is in decides what it may import."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import PROJECT

# These modules travel with the log into other applications; README names the same files.
PORTABLE = {
    f"app.{name}"
    for name in (
        *(
            "actor",
            "components",
            "database",
            "engines",
            "inserts",
            "interrupts",
            "listing",
            "negotiation",
            "private_files",
        ),
        *(
            "redaction",
            "request_id",
            "scratch",
            "secret_commands",
            "secret_forms",
            "secret_names",
            "secret_stems",
            "serving",
            "sqlite",
            "static_files",
            "terminal",
            "time_limit",
        ),
    )
}
DOORS = {"app.dblog", "app.dblog.models", "app.dblog.handler"}
CLOSED = {
    "app.dblog.capture": ("app.dblog.journal", "app.dblog.store", "app.dblog.viewer"),
    "app.dblog.journal": ("app.dblog.store", "app.dblog.viewer"),
    "app.dblog.store": ("app.dblog.viewer",),
    "app.dblog.viewer": ("app.dblog.store",),
}
FILES = {".".join(path.relative_to(PROJECT).with_suffix("").parts): path for path in PROJECT.glob("app/**/*.py")}
MODULES = {name.removesuffix(".__init__"): path for name, path in FILES.items()}


def imports(name: str, path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each module of the application that a module imports, and whether it does so relatively."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, (above, node.module)))
            inner = [f"{module}.{alias.name}" for alias in node.names]
            yield from ((each if each in MODULES else module, node.level > 0) for each in inner)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)


def within(module: str, *places: str) -> bool:
    return any(f"{module}.".startswith(f"{place}.") for place in places)


def is_allowed(module: str, target: str, relative: bool) -> bool:
    if any(within(module, room) and within(target, *others) for room, others in CLOSED.items()):
        return False
    if within(module, "app.dblog.journal") and within(target, "app.dblog.capture"):
        return target == "app.dblog.capture.event"
    for feature in ("app.dblog", "app.audit"):
        if within(module, feature) and not within(target, feature):
            return relative and target in PORTABLE
    if module in PORTABLE:
        return relative and target in PORTABLE
    return within(module, "app.dblog") or not within(target, "app.dblog") or target in DOORS


def test_imports_keep_to_the_rooms() -> None:
    arrows = [(name, *arrow) for name, path in MODULES.items() for arrow in imports(name, path)]
    own = [arrow for arrow in arrows if within(arrow[1], "app")]
    assert len(own) > 100
    assert [
        f"{name} imports {target}" for name, target, relative in own if not is_allowed(name, target, relative)
    ] == []


def test_readme_carries_what_is_needed() -> None:
    """README copies each module of the portable set, and otherwise only the log."""
    readme = (PROJECT / "README.md").read_text("utf-8")
    [copied] = re.findall(r"^ *cp .*?/app/\{(.*)\}", readme, re.MULTILINE)
    assert {f"app.{name.removesuffix('.py')}" for name in copied.split(",")} == PORTABLE | {"app.dblog"}


def test_capture_touches_memory_only() -> None:
    """Capture uses no session, no engine and no file, because a log call must not wait for them."""
    for path in PROJECT.glob("app/dblog/capture/*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Name)}
        assert names.isdisjoint({"open", "Path", "db", "Session", "create_engine"}), path


def test_no_module_is_long() -> None:
    assert [name for name, path in FILES.items() if len(path.read_text("utf-8").splitlines()) > 300] == []


@pytest.mark.parametrize("folder", ["dblog", "processes"])
def test_these_tests_do_without_the_trail(folder: str) -> None:
    """An owner may drop the trail, together with its own tests."""
    for path in (PROJECT / "tests" / folder).glob("*.py"):
        targets = [target for target, _ in imports(f"tests.{folder}.{path.stem}", path)]
        assert not any(target.startswith(("app.audit", "tests.audit")) for target in targets), path
