"""Finish a new project, in its folder: drop the example or its markers, write .env, say what next.

Runs under cookiecutter's own Python, again on every `cruft update`: standard library only, and a
second run changes nothing.
"""

import contextlib
import json
import os
import re
import secrets
from pathlib import Path

EXAMPLE: bool = json.loads("{{ cookiecutter.example | lower }}")
SLUG = "{{ cookiecutter.project_slug }}"
EXAMPLE_FILES: list[str] = json.loads(r""" {{ example_files() | tojson }} """)
MARKED_FILES: list[str] = json.loads(r""" {{ marked_files() | tojson }} """)

START = r"^[ \t]*(?:# example|[{]# example #[}])\n"
END = r"^[ \t]*(?:# end example|[{]# end example #[}])\n"


def settle_markers() -> None:
    """Keep or drop the lines between the example's markers; the markers go either way."""
    for name in MARKED_FILES:
        page = Path(name)
        text = page.read_text("utf-8")
        kept = re.sub(f"{START}(.*?){END}", r"\1" if EXAMPLE else "", text, flags=re.S | re.M)
        page.write_text(kept, "utf-8", newline="\n")


def drop_example() -> None:
    """Remove the example's files, and those of its folders that are empty then."""
    for name in EXAMPLE_FILES:
        Path(name).unlink(missing_ok=True)
    folders = {folder for name in EXAMPLE_FILES for folder in Path(name).parents}
    for folder in sorted(folders, reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()


def write_env() -> None:
    """Copy .env.example to .env with a fresh secret key; an .env that exists stays as it is."""
    text = Path(".env.example").read_text("utf-8")
    text = text.replace("SECRET_KEY=\n", f"SECRET_KEY={secrets.token_urlsafe(32)}\n", 1)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(".env", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as env:
            env.write(text)


settle_markers()
if not EXAMPLE:
    drop_example()
write_env()
print(f"\n    cd {SLUG}\n    uv run flask run\n")
