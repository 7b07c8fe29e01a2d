"""The console and the file; the database's part has tests of its own."""

import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import portalocker
import pytest
from flask import Flask
from flask.testing import FlaskClient

from .conftest import Command
from .redaction_texts import SECRETS

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (\w+) +([\w.]+) \[([^\]]+)\] (.*)")


@pytest.fixture
def app(app: Flask) -> Flask:
    @app.get("/say")
    def say() -> str:
        logging.getLogger("shop.till").error("Out of %s", "change")
        app.logger.error("The application's own logger")
        return "said"

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError("broken")

    return app


def test_a_line_names_time_level_logger_and_request(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    app.config["PROXY_HOPS"] = 1
    app.test_client().get("/say", headers={"X-Request-ID": "from-the-proxy"})
    logging.getLogger("shop").warning("Outside of any request")
    lines = [LINE.fullmatch(line) for line in capsys.readouterr().err.splitlines()]
    assert [match.groups() for match in lines if match] == [
        ("ERROR", "shop.till", "from-the-proxy", "Out of change"),
        ("ERROR", "app", "from-the-proxy", "The application's own logger"),
        ("WARNING", "shop", "-", "Outside of any request"),
    ]


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
@pytest.mark.parametrize("debug", [True, False])
def test_an_error_is_on_the_console_once(
    level: str,
    debug: bool,
    app: Flask,
    make_app: Callable[..., Flask],
    capsys: pytest.CaptureFixture[str],
) -> None:
    again = make_app(LOG_LEVEL=level, DEBUG=debug, PROPAGATE_EXCEPTIONS=False)

    @again.get("/fail")
    def fail() -> str:
        raise RuntimeError("broken")

    assert again.test_client().get("/fail").status_code == 500
    again.logger.error("said once")
    said = capsys.readouterr().err
    assert said.count("RuntimeError: broken") == 1
    assert said.count("said once") == 1


def test_every_response_has_a_request_id(app: Flask) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = app.test_client()
    for path in ("/healthz", "/no-such-page", "/fail"):
        first, second = (client.get(path).headers["X-Request-ID"] for _ in range(2))
        assert first != second


def test_the_id_of_a_proxy_is_taken(make_app: Callable[..., Flask]) -> None:
    client = make_app(PROXY_HOPS=1).test_client()
    for sent in ("a1b2-c3", "Root=1-67891233-abcdef012345678912345678", "x" * 128):
        assert client.get("/healthz", headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent
    # No visitor may send an id that stands for jobs, commands or scripts in the trail.
    causes = ("system", "System", "cli:user create", "cli:user", "job:send_mail")
    for sent in ("", "x" * 129, "two words", "<script>", "a\u00e4", *causes):
        answer = client.get("/healthz", headers={"X-Request-ID": sent}).headers["X-Request-ID"]
        assert re.fullmatch("[0-9a-f]{32}", answer)


def test_the_id_of_a_visitor_is_not(client: FlaskClient) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": "mine"})
    assert answer.headers["X-Request-ID"] != "mine"


def test_levels(make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]) -> None:
    make_app(LOG_LEVEL="error")
    logging.getLogger("shop").warning("quiet")
    logging.getLogger("shop").error("loud")
    said = capsys.readouterr().err
    assert "loud" in said
    assert "quiet" not in said


def test_the_file(tmp_path: Path, make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "logs" / "app.log"
    make_app(LOG_FILE=path, LOG_LEVEL="CRITICAL")
    logging.getLogger("shop").info("for the file alone")
    assert "for the file alone" in path.read_text("utf-8")
    assert "for the file alone" not in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_one_warning(
    tmp_path: Path, make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "app.log", tmp_path):
        app = make_app(LOG_FILE=path)
        assert app.test_client().get("/healthz").status_code == 200
        logging.getLogger("shop").warning("still said")
        said = capsys.readouterr().err
        assert said.count("LOG_FILE") == 1
        assert "still said" in said


def test_a_lock_file_that_cannot_be_written_is_one_warning(
    tmp_path: Path, make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning comes at the start, and also later, if a process of another user has opened the file first."""
    lock = tmp_path / ".__app.lock"
    lock.mkdir()
    for first in ("at the start", "later"):
        make_app(LOG_FILE=tmp_path / "app.log")
        if first == "later":
            lock.unlink()
            lock.mkdir()
        for number in range(3):
            logging.getLogger("shop").warning("still said %s", number)
        said = capsys.readouterr().err
        assert said.count("LOG_FILE") == 1, first
        assert "Traceback" not in said
        assert [said.count(f"still said {number}") for number in range(3)] == [1] * 3
        lock.rmdir()
        assert (tmp_path / "app.log").read_text("utf-8") == ""


def test_a_lock_file_without_locks_is_one_warning(
    tmp_path: Path,
    make_app: Callable[..., Flask],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_fd: int, _flags: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(portalocker.portalocker, "LOCKER", refuse)
    make_app(LOG_FILE=tmp_path / "app.log")
    logging.getLogger("shop").warning("still said")
    said = capsys.readouterr().err
    assert said.count("LOG_FILE") == 1
    assert os.strerror(errno.ENOLCK) in said


def test_caplog_hears_an_application_made_in_the_test(
    make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    make_app()
    logging.getLogger("shop").warning("heard")
    assert caplog.messages == ["heard"]


def test_a_record_is_one_line_that_a_terminal_does_not_obey(
    app: Flask, tmp_path: Path, make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    make_app(LOG_FILE=tmp_path / "app.log")
    forged = "2026-11-28 02:00:00,000 ERROR    app [-] forged"
    logging.getLogger("shop").error("first\n%s\r%s\x1b[2J\x9b1m\u202e\u2028", forged, forged)
    logging.getLogger(f"shop\n{forged}").error("second")
    try:
        raise ValueError(f"third\n{forged}\x1b[2J")
    except ValueError:
        logging.getLogger("shop").exception("with a trace", stack_info=True)
    for said in (capsys.readouterr().err, (tmp_path / "app.log").read_text("utf-8")):
        lines = said.splitlines()
        records = [line for line in lines if not line.startswith("  ")]
        assert [line.find("shop") for line in records] == [33] * 3
        assert not {"\x1b", "\x9b", "\u202e", "\u2028", "\r"}.intersection(said)
        assert "    raise ValueError" in said
        assert f"\n  ValueError: third\n  {forged}" in said


def test_colours_are_in_neither(
    tmp_path: Path, make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    """Werkzeug and structlog colour their messages; formatters of other libraries colour levels and tracebacks."""
    make_app(LOG_FILE=tmp_path / "app.log")
    red, bold, end = "\x1b[31m", "\x1b[1;38:5:9m", "\x1b[0m"
    record = logging.LogRecord("shop", logging.ERROR, "", 1, f"{bold}paid{end} %s", (f"{red}late{end}",), None)
    record.levelname = f"{red}ERROR{end}"
    record.exc_text = f"{red}ValueError{end}: none"
    logging.getLogger("shop").handle(record)
    for said in (capsys.readouterr().err, (tmp_path / "app.log").read_text("utf-8")):
        assert said.endswith(" ERROR    shop [-] paid late\n  ValueError: none\n")


def test_secrets_are_in_neither(
    tmp_path: Path, make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    make_app(LOG_FILE=tmp_path / "app.log")
    shop = logging.getLogger("shop")
    for text, secret in SECRETS:
        shop.error("%s", text.replace("§", secret))
    try:
        connect(password="in the source 7")
    except ValueError as error:
        error.add_note("password=hidden7note")
        shop.exception("Refused")
    for said in (capsys.readouterr().err, (tmp_path / "app.log").read_text("utf-8")):
        assert [secret for _, secret in SECRETS if len(secret) > 5 and secret in said] == []
        assert "connect(password=" in said
        for hidden in ("hidden7text", "hidden7note", "in the source 7"):
            assert hidden not in said


@dataclass
class Card:
    number: int
    cvv: int


class Login(NamedTuple):
    name: str
    password: str


def test_what_stands_under_a_secrets_name_is_in_neither(
    tmp_path: Path, make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    """The names of keys hide values that have no form of a secret: numbers, plain words, names of your own."""
    make_app(LOG_FILE=tmp_path / "app.log", LOG_REDACT="tax-file")
    shop = logging.getLogger("shop")
    for value in ({"otp": 123}, {"auth": "swordfish"}, {"tax_file": "swordfish"}, Card(5, 987), Login("ada", "open")):
        shop.error("Refused %s", value)
    shop.error("Refused %(password)s", {"password": "open"})
    for said in (capsys.readouterr().err, (tmp_path / "app.log").read_text("utf-8")):
        assert said.count("Refused") == said.count("[redacted]") == 6
        assert not re.search("123|swordfish|987|open", said.partition("Refused")[2].replace("shop", ""))


def connect(password: str) -> None:
    raise ValueError("cannot use password=hidden7text")


class Interrupts:
    """A value that tries to end the process when it is turned into text."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error

    __repr__ = __str__


def test_the_debuggers_pin_is_on_the_console_alone(
    make_app: Callable[..., Flask], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Developers need it for the debugger's prompt. A PIN that another logger logs is hidden."""
    make_app(LOG_FILE=tmp_path / "app.log")
    logging.getLogger("werkzeug").info(" * Debugger PIN: %s", "123-456-789")
    logging.getLogger("shop").info(" * Debugger PIN: %s", "987-654-321")
    said, kept = capsys.readouterr().err, (tmp_path / "app.log").read_text()
    assert ("123-456-789" in said, "123-456-789" in kept) == (True, False)
    assert "987-654-321" not in said + kept


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), ValueError("none")])
def test_what_a_value_raises_stays_within_the_log_call(
    app: Flask, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    # pytest's own handlers do not catch it.
    shop = logging.Logger("shop")
    shop.handlers = [each for each in logging.getLogger().handlers if each.name in ("console", "file", "database")]
    shop.error("before %s", Interrupts(error), extra={"value": [Interrupts(error)]})
    shop.error(Interrupts(error))
    try:
        raise RuntimeError(Interrupts(error))
    except RuntimeError:
        shop.exception("after")
    said = capsys.readouterr().err
    assert "before %s" in said
    # The first line has it twice: in the message and in the argument.
    assert said.count(f"[raised {type(error).__name__}]") == 3
    assert said.count("Traceback") == 1


CTRL_C = """
import logging, os, signal, sys
from app import create_app
app = create_app()

class Slow:
    def __str__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        while True:
            pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
try:
    logging.getLogger("shop").error("%s", Slow())
except (KeyboardInterrupt, SystemExit) as error:
    os.write(1, type(error).__name__.encode())
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_and_signals_leave_the_log_call(command: Command) -> None:
    for number, name in ((signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "SystemExit")):
        done = command("-c", CTRL_C, str(int(number)), FLASK_DEBUG="1")
        assert done.stdout == name, done.stderr


class Theirs(logging.Handler):
    closed = False

    def emit(self, record: logging.LogRecord) -> None: ...

    def close(self) -> None:
        self.closed = True
        super().close()


def test_handlers_of_others_stay_and_stay_open(make_app: Callable[..., Flask]) -> None:
    root, theirs = logging.getLogger(), Theirs()
    root.addHandler(theirs)
    for _ in range(3):
        make_app()
        assert root.handlers.count(theirs) == 1
        assert not theirs.closed
    root.removeHandler(theirs)
