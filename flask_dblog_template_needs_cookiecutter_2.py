"""What the template adds to cookiecutter: filters for its expressions, and what becomes of answers and files.

Answers are data: nothing that is typed at a prompt or on the command line is ever run as a template, and the filters
below make any text safe in the place where it is written. Nor are files, but for the few in RENDERED: the others come
out as they are, less the lines between the markers of the example where it is not wanted.

cookiecutter 1 cannot load a module that comes with a template and prints no more than its name, which therefore says
what is needed. A name of its own keeps it apart from other templates' modules in one process. `cruft update` renders
two versions of this template in one process, and the first import wins: this module must get a new name when it stops
doing what older commits expect of it. It runs under any Python that cookiecutter 2 runs under, from 3.8.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment
from jinja2.ext import Extension

HERE = Path(__file__).resolve().parent
PROJECT = HERE / "{{cookiecutter.project_slug}}"
RENDERED = ("README.md", "pyproject.toml", ".env.example", "LICENSE", "app/site.toml")
EXAMPLE = re.compile(r"app/blog/.+|tests/test_blog[^/]*\.py|migrations/versions/[^/]*_posts\.py")
YES, NO = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")
MARKER = re.compile(r"^[ \t]*(?:# (?:end )?example|[{]# (?:end )?example #[}])\n", re.MULTILINE)

DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
# uv and pip refuse a project that depends on its own name, directly or through others.
# fmt: off
PACKAGES = {
    "alembic", "ast-serialize", "async-timeout", "blinker", "cffi", "click", "colorama",
    "concurrent-log-handler", "cryptography", "deprecated", "flask", "flask-limiter", "flask-login",
    "flask-migrate", "flask-sqlalchemy", "flask-wtf", "gevent", "greenlet", "gunicorn", "hypothesis",
    "iniconfig", "itsdangerous", "jinja2", "librt", "limits", "mako", "markupsafe", "mypy", "mypy-extensions",
    "ordered-set", "orjson", "packaging", "pathspec", "pip", "pluggy", "portalocker", "psycopg",
    "psycopg-binary", "pycparser", "pygments", "pymysql", "pytest", "python-dotenv", "pywin32", "redis", "ruff",
    "setuptools", "sortedcontainers", "sqlalchemy", "types-flask-migrate", "types-flask-sqlalchemy",
    "types-wtforms", "types-zxcvbn", "typing-extensions", "tzdata", "uv", "werkzeug", "wrapt", "wtforms",
    "zope-event", "zope-interface", "zxcvbn",
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


def yes(answer: object) -> bool | None:
    """True or False for an answer to the example, which older versions of cookiecutter leave as a text; else None."""
    word = str(answer).lower()
    return True if word in YES else False if word in NO else None


def folder(answers: dict[str, Any]) -> str:
    """The project's folder; ends the program with one sentence if an answer is of no use.

    Answers that are replayed, or that a configuration file holds, were never typed at a prompt.
    """
    questions = json.loads((HERE / "cookiecutter.json").read_text("utf-8"))
    for name, default in questions.items():
        if name.startswith("_"):
            continue
        answer = answers.get(name)
        if isinstance(default, list):
            fits, expected = answer in default, "one of " + ", ".join(default)
        elif isinstance(default, bool):
            fits, expected = yes(answer) is not None, "yes or no"
        else:
            fits, expected = isinstance(answer, str), "a text"
        if not fits:
            raise SystemExit(f"{name} cannot be {json.dumps(answer)}: give it {expected}.")
    return checked(answers["project_slug"])


def constant(text: str) -> str:
    """A template that renders to this text."""
    return "{{ " + ascii(text.encode("utf-8", "replace").decode()) + " }}"


def settled(source: str) -> str:
    """A template that renders to a file of the project, with what is between the markers if the example is wanted."""
    always, *marked = MARKER.split(source)
    wanted = "{% if cookiecutter.example | yes %}", "{% endif %}"
    return constant(always) + "".join(wanted[n % 2] + constant(text) for n, text in enumerate(marked))


def own_sources() -> set[str]:
    """Every text of the template that cookiecutter renders without naming a file."""
    variables = json.loads((HERE / "cookiecutter.json").read_text("utf-8")).values()
    hooks = [hook.read_text("utf-8") for hook in HERE.glob("hooks/*.py")]
    return {text for text in variables if isinstance(text, str)} | {*hooks}


def example_files() -> list[str]:
    """The files that go when the example is not wanted."""
    names = (path.relative_to(PROJECT).as_posix() for path in PROJECT.rglob("*") if path.is_file())
    return sorted(name for name in names if EXAMPLE.fullmatch(name))


class TemplateExtension(Extension):
    """Adds the filters, and decides what is a template and what is text."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.own = own_sources()
        for function in (checked, folder, markdown, one_line, toml, usable, yes):
            environment.filters[function.__name__] = function
        environment.globals.update(example_files=example_files)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the source of a template as it is, and anything else as a constant."""
        if name:
            return source if name in RENDERED else settled(source)
        if source == PROJECT.name:
            return "{{ cookiecutter | folder }}"
        # cookiecutter sets the loader when it begins to copy files; what has no name is the path of one then.
        if self.environment.loader:
            path = constant(source)
            # cookiecutter leaves out a file whose name is empty.
            example = EXAMPLE.fullmatch(Path(source).as_posix())
            return "{% if cookiecutter.example | yes %}" + path + "{% endif %}" if example else path
        return source if source in self.own else constant(source)
