"""The tests of revisions share this function."""

from collections.abc import Callable

import pytest

from ..conftest import Command


@pytest.fixture
def flask_db(command: Command) -> Callable[..., str]:
    def run(*args: str, fails: bool = False) -> str:
        """Run `flask db …` as a process and return what it printed."""
        result = command("flask", "db", *args)
        assert (result.returncode != 0) is fails, result.stderr
        assert "Traceback" not in result.stderr
        return result.stdout + result.stderr

    return run
