"""Filters and functions for the template's expressions, besides cookiecutter's own.

Answers are data: nothing that is typed at a prompt or on the command line is ever run as a template,
and the filters below make any text safe in the place where it is written. `cruft update` renders two
versions of this template in one process, and the first import wins: this module must get a new name
when it stops doing what older commits expect of it.
"""

import json
import re
from pathlib import Path

from jinja2 import Environment
from jinja2.ext import Extension

HERE = Path(__file__).resolve().parent
PROJECT = HERE / "{{cookiecutter.project_slug}}"
EXAMPLE = ("app/blog/**/*", "tests/test_blog*.py", "migrations/versions/*_posts.py")

DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
# uv and pip refuse a project that depends on its own name, directly or through others.
# fmt: off
PACKAGES = {
    "alembic", "ast-serialize", "blinker", "cffi", "click", "colorama", "concurrent-log-handler", "cryptography",
    "flask", "flask-login", "flask-migrate", "flask-sqlalchemy", "flask-wtf", "gevent", "greenlet",
    "gunicorn", "hypothesis", "iniconfig", "itsdangerous", "jinja2", "librt", "mako", "markupsafe",
    "mypy", "mypy-extensions", "orjson", "packaging", "pathspec", "pip", "pluggy", "portalocker", "psycopg",
    "psycopg-binary", "pycparser", "pygments", "pymysql", "pytest", "python-dotenv", "pywin32", "ruff",
    "setuptools", "sortedcontainers", "sqlalchemy", "types-flask-migrate", "types-flask-sqlalchemy",
    "types-wtforms", "typing-extensions", "tzdata", "uv", "werkzeug", "wtforms", "zope-event", "zope-interface",
}
# fmt: on


def one_line(text: str) -> str:
    """The text with every run of blanks and control characters as one blank."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()


def toml(text: str) -> str:
    """The text as it is written between the double quotes of a TOML string."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")


def markdown(text: str) -> str:
    """The text on one line of Markdown, showing every character as itself."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$&:@])", r"\\\1", one_line(text))


def usable(slug: str) -> str:
    """The nearest name that is not refused; the prompt offers it as the default."""
    slug = slug.lstrip("_")[:40].rstrip("_") or "my_flask_app"
    if not slug[0].isalpha():
        slug = f"app_{slug}"
    return f"{slug}_app" if refusal(slug) else slug


def refusal(slug: str) -> str:
    """One sentence that says why this cannot be the folder's name; empty if it can be."""
    said = ascii(slug)
    if not re.fullmatch(r"[a-z]([a-z0-9_-]{0,62}[a-z0-9])?", slug):
        return (
            f"{said} cannot be the project's folder: type up to 64 lower-case letters, digits, _ "
            "and -, with a letter first and no _ or - last, such as my_flask_app."
        )
    if slug in DEVICES:
        return f"{said} cannot be a folder on Windows: type another name, such as {slug}_app."
    if re.sub(r"[_-]+", "-", slug) in PACKAGES:
        return f"{said} is a package this project uses: type another name, such as {slug}_app."
    return ""


def checked(slug: str) -> str:
    """The slug itself; ends the program with one sentence if it is refused."""
    sentence = refusal(slug)
    if sentence:
        raise SystemExit(sentence)
    return slug


def own_sources() -> set[str]:
    """Every text of the template that cookiecutter renders without naming a file."""
    variables = json.loads((HERE / "cookiecutter.json").read_text("utf-8")).values()
    hooks = [hook.read_text("utf-8") for hook in HERE.glob("hooks/*.py")]
    return {text for text in variables if isinstance(text, str)} | {*hooks, PROJECT.name}


def project_files(*patterns: str) -> list[str]:
    """The files of the project's folder under these patterns, by their names within."""
    found = {path for pattern in patterns for path in PROJECT.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(PROJECT).as_posix() for path in found)


def example_files() -> list[str]:
    """The files that go when the example is not wanted."""
    return project_files(*EXAMPLE)


def marked_files() -> list[str]:
    """The files that have lines between the example's markers."""
    pages = project_files("**/*.py", "**/*.html")
    return [name for name in pages if "# end example" in (PROJECT / name).read_text("utf-8")]


class TemplateExtension(Extension):
    """Adds the filters, and keeps answers as they were typed, braces included."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.own = own_sources()
        for function in (checked, markdown, one_line, refusal, toml, usable):
            environment.filters[function.__name__] = function
        environment.globals.update(example_files=example_files, marked_files=marked_files)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the template's own source as it is, and the source of an answer as a constant."""
        if name or source in self.own:
            return source
        return "{{ " + ascii(source.encode("utf-8", "replace").decode()) + " }}"
