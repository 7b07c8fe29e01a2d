"""Commands and servers as processes of their own: how they start, and how a mistake ends them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from ..conftest import KEY, Command, Server
from ..test_logging import LINE

Serve = Callable[..., AbstractContextManager[Server]]


@pytest.mark.parametrize(
    "start",
    [
        ["flask", "run", "-p", "0"],
        ["flask", "db", "upgrade"],
        ["flask", "routes"],
        ["flask", "--help"],
        ["gunicorn", "-b", "127.0.0.1:0", "app:create_app()"],
        ["gunicorn", "-b", "127.0.0.1:0", "--preload", "app:create_app()"],
        ["-c", "from app import create_app; create_app()"],
    ],
    ids=" ".join,
)
def test_a_mistake_ends_every_process_once(start: list[str], command: Command) -> None:
    if start[0] == "gunicorn":
        pytest.importorskip("fcntl", reason="gunicorn does not run on Windows")
    ended = command(*start, LOG_LEVEL="LOUD", WEB_CONCURRENCY="3")
    assert ended.returncode == 4
    assert ended.stderr.count("The configuration is wrong") == 1
    assert "LOG_LEVEL: expected one of DEBUG" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_debug_is_for_the_flask_command_alone(copied: Path, command: Command, serve: Serve) -> None:
    (copied / ".env").write_text(f"SECRET_KEY={KEY}\n")
    del command.environment["SECRET_KEY"], command.environment["FLASK_SKIP_DOTENV"]
    with serve("gunicorn", "-b", "127.0.0.1:0", "app:create_app()") as server:
        assert status(f"{server.url}/healthz") == 200
        assert status(f"{server.url}/demo") == 404
    with serve("flask", "run", "-p", "0") as server:
        assert status(f"{server.url}/demo") == 200


def status(url: str) -> int:
    try:
        with urlopen(url) as response:
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_commands_need_no_database(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    for args in (["routes"], ["db", "heads"], ["--help"]):
        assert command("flask", *args, DATABASE_URL=f"sqlite:///{path}").returncode == 0
    assert not path.exists()


def test_the_shell_as_people_use_it(command: Command) -> None:
    command("flask", "db", "upgrade")
    lines = "print(db.session.scalars(select(User)).all(), app.name)\n"
    assert "[] app" in command("flask", "shell", input=lines).stdout


FILL = """
import logging
from app import create_app
create_app({"LOG_FILE_MAX_MB": 1, "LOG_FILE_COUNT": 9, "LOG_LEVEL": "CRITICAL"})
for number in range(2_000):
    logging.getLogger("filler").info("%04d %s", number, "x" * 200)
"""


def test_several_processes_share_the_file(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "app.log"
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda _: command("-c", FILL, LOG_FILE=str(path)), range(3)))
    assert [process.stderr for process in ended] == [""] * 3
    files = list(tmp_path.glob("app.log*"))
    assert len(files) > 1
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    assert len(lines) == 6_000
    assert all(LINE.fullmatch(line) for line in lines)
