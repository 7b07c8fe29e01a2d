"""What commands print is shown by a terminal, and by any terminal."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.accounts.models import User


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_names_of_accounts(app: Flask, make_user: Callable[..., User], encoding: str) -> None:
    make_user("\N{GREEK SMALL LETTER OMEGA}mega", email="\x1b[31mred@example.org")
    listed = app.test_cli_runner(charset=encoding).invoke(args=["user", "list"])
    assert listed.exit_code == 0, listed.output
    name = "\N{GREEK SMALL LETTER OMEGA}" if encoding == "utf-8" else r"\u03c9"
    assert listed.stdout.startswith(f"{name}mega\tuser\t\\x1b[31mred@example.org\t")
