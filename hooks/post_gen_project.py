"""Finish a new project, in its folder: remove the rest of an unwanted example, write .env, say what to do next.

cookiecutter's own Python, which may be 3.8, runs this hook, and again on every `cruft update`. So it uses only the
standard library, and a second run changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

EXAMPLE: bool = json.loads("{{ cookiecutter.example | yes | lower }}")
SLUG = "{{ cookiecutter.project_slug }}"
EXAMPLE_FILES: list[str] = json.loads(r""" {{ example_files() | tojson }} """)


def drop_example() -> None:
    """Remove the files of an example that an earlier run made, and those of its folders that are then empty."""
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


if not EXAMPLE:
    drop_example()
write_env()
print(f"\n    cd {SLUG}\n    uv run flask run\n")
