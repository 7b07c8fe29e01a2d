"""Commands and servers start as processes of their own, and a mistake in the configuration ends them."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

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
    (copied / ".env").write_text(f"SECRET_KEY={KEY}\nTRUSTED_HOSTS=127.0.0.1\n")
    del command.environment["SECRET_KEY"], command.environment["FLASK_SKIP_DOTENV"]
    with serve("gunicorn", "-b", "127.0.0.1:0", "app:create_app()") as server:
        assert status(f"{server.url}/healthz") == 200
        assert status(f"{server.url}/demo") == 404
    assert "TRUSTED_HOSTS" not in "".join(server.lines)
    with serve("flask", "run", "-p", "0") as server:
        assert status(f"{server.url}/demo") == 200


def status(url: str) -> int:
    try:
        # This is shorter than gunicorn's timeout for a worker that hangs, and long enough for a busy machine.
        with urlopen(url, timeout=20) as response:
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_gunicorn_obeys_what_is_set(copied: Path, command: Command, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (copied / ".env").write_text(f"SECRET_KEY={KEY}\nBIND_HOST=127.0.0.1\nPORT={port}\nWEB_CONCURRENCY=2\n")
    del command.environment["SECRET_KEY"], command.environment["FLASK_SKIP_DOTENV"]
    with serve("gunicorn", "app:create_app()") as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert status(f"{server.url}/healthz") == 200
    said = "".join(server.lines)
    assert "Using worker: gthread" in said
    assert said.count("Booting worker") == 2
    assert "answers under any name: see `flask doctor`" in said


def test_the_first_start_says_what_to_open(command: Command, serve: Serve, tmp_path: Path) -> None:
    """The log file has the server's lines without werkzeug's colours."""
    file = tmp_path / "app.log"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    for is_first in (True, False):
        with serve("flask", "run", "--no-reload", "-p", port, FLASK_DEBUG="1", LOG_FILE=str(file)) as server:
            assert status_once_it_serves(f"{server.url}/no-such-page") == 404
        said = [line.rstrip() for line in server.lines]
        assert said.count(f"Tables made. Open http://127.0.0.1:{port}") == is_first
        assert sum(f"Make the first admin's at {server.url}/login with this token: " in line for line in said) == 1
        assert not any("alembic" in line for line in said)
    written = file.read_text("utf-8")
    assert written.count('"GET /no-such-page HTTP/1.1" 404 -\n') == 2
    assert "x1b" not in repr(written)


def status_once_it_serves(url: str) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            return status(url)
        except URLError:
            time.sleep(0.05)
    pytest.fail(f"nobody serves {url}")


def test_the_command_for_revisions_says_what_it_did(command: Command) -> None:
    assert "Running upgrade  -> 0001_users" in command("flask", "db", "upgrade").stderr


MODULES = ("config", "cookies", "engines", "parsers", "private_files", "release", "scratch", "sqlite")


def test_the_check_of_the_configuration_leaves_the_application_alone(command: Command) -> None:
    """Importing the whole application a second time doubled the time of gunicorn's start."""
    script = "import runpy; exec(runpy.run_path('gunicorn.conf.py')['READ_SETTINGS']); print(*sys.modules)"
    ended = command("-c", script, PORT="8123", WEB_CONCURRENCY="3")
    settings, modules = ended.stdout.splitlines()
    assert settings == '["127.0.0.1", 8123, 3, false]'
    imported = {name for name in modules.split() if name.startswith("app.")}
    assert imported <= {f"app.{name}" for name in MODULES}
    assert not {"flask_sqlalchemy", "flask_migrate", "flask_limiter", "wtforms"} & {*modules.split()}


def test_idle_connections_keep_nobody_waiting(command: Command, serve: Serve) -> None:
    command("flask", "db", "upgrade")
    with serve("gunicorn", "-b", "127.0.0.1:0", "app:create_app()") as server, ExitStack() as stack:
        address = urlsplit(server.url)
        assert status(f"{server.url}/healthz") == 200
        for _ in range(3):
            idle = stack.enter_context(socket.create_connection((address.hostname, address.port)))
            form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100"
            idle.sendall(f"POST /login HTTP/1.1\r\nHost: localhost\r\n{form}\r\n\r\na=".encode())
        assert status(f"{server.url}/healthz") == 200


def test_gunicorn_itself_believes_no_neighbour(command: Command, serve: Serve) -> None:
    command("flask", "db", "upgrade")
    forged = {"X-Forwarded-Proto": "https", "SCRIPT_NAME": "/login", "X-Forwarded-Prefix": "/evil"}
    with serve("gunicorn", "-b", "127.0.0.1:0", "app:create_app()") as server:
        page = urlopen(Request(f"{server.url}/login", headers=forged))
        with page:
            assert "Strict-Transport-Security" not in page.headers
            assert 'href="/static/site.css?v=' in page.read().decode()


def test_gunicorn_below_a_prefix(command: Command, serve: Serve) -> None:
    command("flask", "db", "upgrade")
    with serve("gunicorn", "-b", "127.0.0.1:0", "app:create_app()", SCRIPT_NAME="/shop") as server:
        with urlopen(f"{server.url}/shop/logs") as page:
            assert page.url == f"{server.url}/shop/login?next=/shop/logs"
            assert 'href="/shop/static/site.css?v=' in page.read().decode()
        assert status(f"{server.url}/shop/readyz") == 200


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
