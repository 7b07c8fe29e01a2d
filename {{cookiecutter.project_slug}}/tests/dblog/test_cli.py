"""`flask log` serves a person at a terminal and a program behind a pipe."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import insert, text

from app import dblog, terminal, time_limit
from app.accounts.models import User
from app.config import PROJECT
from app.database import db
from app.dblog.capture.event import internal
from app.dblog.errors import Unreadable
from app.dblog.journal.append import Journal
from app.dblog.models import LogEntry
from app.dblog.viewer import follow, paging
from app.dblog.viewer.queries import LIST_COLUMNS

from ..conftest import KEY, SERVER
from .log_rows import ERROR, put, row

HOUR = timedelta(hours=1)


def log(runner: FlaskCliRunner, *arguments: str) -> Result:
    return runner.invoke(args=["log", *arguments])


def lines(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def messages(result: Result) -> list[object]:
    return [line["message"] for line in lines(result)]


def test_list(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, row("c", age=70 * HOUR, level=30, logger="tea"), row("b", age=2 * HOUR, level=50), row("a", **ERROR))
    assert messages(log(runner, "list", "--json")) == ["a", "b", "c"]
    assert messages(log(runner, "list", "--json", "--limit", "2")) == ["a", "b"]
    assert messages(log(runner, "list", "--json", "--level", "critical")) == ["b"]
    assert messages(log(runner, "list", "--json", "--logger", "tea")) == ["c"]
    assert messages(log(runner, "list", "--json", "--since", "2d")) == ["a", "b"]
    assert messages(log(runner, "list", "--json", "--grep", "B")) == ["b"]
    assert messages(log(runner, "list", "--json", "--until", "2d")) == ["c"]
    assert messages(log(runner, "list", "--json", "--request", "r-1")) == ["a"]
    first = log(runner, "list").stdout.splitlines()[0]
    assert re.fullmatch(r"\d+\t[-\d]+ [:\d]+\tERROR\tshop\ta \(shop.OutOfCoffee\)", first)


def test_list_leads_with_the_exception_that_nobody_logged(app: Flask, runner: FlaskCliRunner) -> None:
    message = "Exception on /pour [POST]"
    put(app, row(message, exception_text="none\nleft", **ERROR), row(message, exception_text="", **ERROR))
    texts = [line.split("\t")[-1] for line in log(runner, "list").stdout.splitlines()]
    assert texts == ["shop.OutOfCoffee (POST /pour)", "shop.OutOfCoffee: none (POST /pour)"]
    assert messages(log(runner, "list", "--json")) == [message, message]


def test_list_of_a_user_or_a_problem(app: Flask, runner: FlaskCliRunner, user: User) -> None:
    put(app, row("b", user_id=7), row("a", user_id=user.id, fingerprint="1-a", title="a"))
    for name in (str(user.id), "ada", " ADA"):
        assert messages(log(runner, "list", "--json", "--user", name)) == ["a"]
    assert messages(log(runner, "list", "--json", "--user", "7")) == ["b"]
    [problem] = (each for each in lines(log(runner, "problems", "--json")) if each["title"] == "a")
    assert messages(log(runner, "list", "--json", "--problem", str(problem["id"]))) == ["a"]
    nobody = log(runner, "list", "--user", "grace")
    assert nobody.exit_code == 2
    assert "there is none called “grace”" in nobody.stderr


def test_lists_fit_the_terminal(app: Flask, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    put(app, row("a" * 300, logger="shop.payment.provider.card"), row("b"))
    monkeypatch.setattr(terminal, "terminal_width", lambda: 80)
    titles, first, second = log(runner, "list").stdout.splitlines()
    assert titles.split() == ["ID", "TIME", "LEVEL", "LOGGER", "MESSAGE"]
    assert (len(second), second[-1]) == (80, "…")
    assert first.index("shop") == second.index("shop") == titles.index("LOGGER")
    assert first.index("b") == titles.index("MESSAGE")
    assert log(runner, "list", "--since", "2001-01-01", "--until", "2001-01-02").stderr == "No row matches.\n"


def test_mistakes_are_one_sentence(runner: FlaskCliRunner) -> None:
    for arguments in (("--since", "banana"), ("--level", "9x"), ("--grep", "x" * 1000), ("--limit", "0")):
        result = log(runner, "list", *arguments)
        assert result.exit_code == 2
        assert "Traceback" not in result.output
        assert result.stderr.count("Error:") == 1


def test_a_search_says_how_far_it_got(app: Flask, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "SEARCH_ROWS", 10)
    put(app, row("needle", age=40 * HOUR), *(row("hay", age=number * HOUR) for number in range(30, 0, -1)))
    bounded = log(runner, "list", "--grep", "needle", "--json")
    assert lines(bounded) == []
    assert "Searched back to" in bounded.stderr
    assert messages(log(runner, "list", "--grep", "needle", "--json", "--since", "3d")) == ["needle"]


def test_show(app: Flask, runner: FlaskCliRunner) -> None:
    (here,) = put(app, row("a\x1b[31m\u202e", release="9f2c1ab", **ERROR))
    page = log(runner, "show", str(here)).stdout
    for fact in ("OutOfCoffee: none left", "POST /pour", "second floor", "web-1 4711 MainThread", "r-1", "9f2c1ab"):
        assert fact in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    (entry,) = lines(log(runner, "show", str(here), "--json"))
    assert entry["frames"] == ERROR["frames"]
    missing = log(runner, "show", "99999")
    assert missing.exit_code == 1
    assert missing.stderr == "Error: There is no row 99999 in the log.\n"


def test_show_folds_the_frames_of_libraries(app: Flask, runner: FlaskCliRunner) -> None:
    @app.get("/pour")
    def pour() -> str:
        try:
            json.loads("no coffee")
        except ValueError as error:
            raise LookupError("first line\n  second line") from error
        return ""

    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.test_client().get("/pour")
    assert dblog.flush(10)
    here = str(lines(log(runner, "list", "--json", "--limit", "1"))[0]["id"])
    folded = log(runner, "show", here).stdout
    shown = [line for line in folded.splitlines() if "library frame" in line or line.startswith("  File")]
    assert [line.partition('", line')[0] for line in shown] == [
        f'  File "{__file__}',
        "  … 3 library frames",
        shown[2],
        f'  File "{__file__}',
    ]
    assert re.fullmatch(r"  … \d library frames", shown[2])
    for said in ("json.decoder.JSONDecodeError: Expecting value", "LookupError: first line\n  second line\n"):
        assert said in folded
    full = log(runner, "show", here, "--full").stdout
    assert "library frame" not in full
    assert full.count('  File "') > 7


def test_show_folds_nothing_where_no_frame_is_ours(app: Flask, runner: FlaskCliRunner) -> None:
    frames = [{**ERROR["frames"][0], "frames": ERROR["frames"][0]["frames"][:1]}]
    trace = 'Traceback (most recent call last):\n  File "/usr/lib/python3/site-packages/flask/app.py", line 9, in run\n'
    (here,) = put(app, row("a", **ERROR | {"frames": frames, "trace": f"{trace}shop.OutOfCoffee: none left\n"}))
    assert trace in log(runner, "show", str(here)).stdout


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_colours_are_for_terminals(app: Flask, runner: FlaskCliRunner, environment: dict[str, str]) -> None:
    put(app, row("a\x1b[32mb"))
    assert "\x1b" not in log(runner, "list").stdout
    coloured = at_a_terminal(app, environment, "log list")
    assert "\x1b[31mERROR" in coloured
    assert "\x1b[32m" not in coloured
    assert "\x1b" not in at_a_terminal(app, environment | {"NO_COLOR": "1"}, "log list")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_code_page_that_lacks_a_character(app: Flask, environment: dict[str, str], encoding: str) -> None:
    (here,) = put(app, row("stock → 🎉", **ERROR))
    as_text = r"stock \u2192 \ud83c\udf89"
    for command in ("list", f"show {here}", "problems", "export --format csv", "export --format jsonl", "list --json"):
        done = subprocess.run(
            [sys.executable, "-m", "flask", "log", *command.split()],
            cwd=PROJECT,
            env=environment | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
        )
        # click writes UTF-8, even for a terminal that claims to be ASCII.
        shown = done.stdout.decode(encoding if encoding != "ascii" else "utf-8")
        assert (as_text if encoding != "ascii" else "stock → 🎉") in shown, command
        if "json" in command:
            assert json.loads(shown)["message"] == "stock → 🎉"


def test_tail_under_a_code_page_that_lacks_a_character(app: Flask, environment: dict[str, str]) -> None:
    put(app, row("stock → 🎉", **ERROR))
    for options, shown in (([], r"stock \u2192 \ud83c\udf89"), (["--json"], r'"stock \u2192 \ud83c\udf89"')):
        with subprocess.Popen(
            [sys.executable, "-m", "flask", "log", "tail", *options],
            cwd=PROJECT,
            env=environment | {"PYTHONIOENCODING": "cp1252", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
        ) as tail:
            assert tail.stdout is not None
            line = tail.stdout.readline().decode("cp1252")
            tail.send_signal(signal.SIGINT)
        assert shown in line
        assert tail.returncode == 0


def test_problems(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, row("a", age=HOUR, **ERROR), row("a", **ERROR), row("b", fingerprint="1-b", title="tea for %s"))
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(text("UPDATE log_problem SET status = 'muted' WHERE fingerprint = '1-b'"))
    (problem,) = lines(log(runner, "problems", "--json"))
    assert {name: problem[name] for name in ("fingerprint", "count", "status", "level_name", "title")} == {
        "fingerprint": "1-shop",
        "count": 2,
        "status": "open",
        "level_name": "ERROR",
        "title": "a",
    }
    assert [problem["fingerprint"] for problem in lines(log(runner, "problems", "--json", "--status", "muted"))] == [
        "1-b"
    ]
    assert len(lines(log(runner, "problems", "--json", "--status", "all"))) == 2
    assert "tea for %s" in log(runner, "problems", "--status", "all").stdout


def test_status(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, row("a"), row("b"))
    (facts,) = lines(log(runner, "status", "--json"))
    assert (facts["rows"], facts["pending_bytes"], facts["dropped"], facts["state"]) == (2, 0, 0, "ok")
    assert "rows  2" in log(runner, "status").stdout


def test_export(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, row("b", age=HOUR, level=30), row("a", **ERROR))
    assert messages(log(runner, "export", "--format", "jsonl")) == ["a", "b"]
    assert messages(log(runner, "export", "--format", "jsonl", "--level", "ERROR")) == ["a"]
    table = log(runner, "export", "--format", "csv").stdout
    assert table.startswith('"id","event_id","created_at","level","logger","message",')
    assert log(runner, "export").exit_code == 2


def test_flush_ships_what_the_dead_left(app: Flask, runner: FlaskCliRunner) -> None:
    folder = Path(app.config["LOG_JOURNAL_DIR"])
    dead = Journal(folder, 1024 * 1024, False)
    for number in range(3):
        dead.append(json.dumps(internal(f"left {number}")).encode() + b"\n")
    held = log(runner, "flush", "--timeout", "0.3")
    assert held.exit_code == 1, "its process lives"
    assert "3 records are still waiting" in held.stderr
    dead.close()
    assert log(runner, "flush").exit_code == 0
    assert messages(log(runner, "list", "--json")) == ["left 2", "left 1", "left 0"]
    assert log(runner, "flush").exit_code == 0


def test_flush_ships_what_was_just_logged(app: Flask, runner: FlaskCliRunner) -> None:
    logging.getLogger("shop").error("a moment ago")
    assert log(runner, "flush").exit_code == 0
    assert messages(log(runner, "list", "--json")) == ["a moment ago"]


def test_without_tables(app: Flask, runner: FlaskCliRunner) -> None:
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(text("DROP TABLE log_entry"))
    for command in ("list", "show 1", "tail", "export --format csv", "prune --days 3"):
        result = log(runner, *command.split())
        assert result.exit_code == 1, command
        assert "flask db upgrade" in result.stderr, command
    assert "flask db upgrade" in log(runner, "status").stdout


def test_following_misses_and_repeats_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions on a server may commit in another order than that of their ids."""
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(follow, "POLL_ROWS", 4)

    def arrive_as(number: int) -> None:
        columns = {name: value for name, value in row(f"m{number}").items() if name in LogEntry.__table__.c}
        with db.engines["log"].begin() as connection:
            connection.execute(insert(LogEntry).values(id=number, **columns))

    with app.app_context():
        for number in (1, 2, 3, 7):
            arrive_as(number)
        followed = follow.follow(2, LIST_COLUMNS)

        def following() -> str:
            found = next(followed)
            assert not isinstance(found, Unreadable)
            return str(found.message)

        assert [following(), following()] == ["m3", "m7"]
        for number in (5, 10, 11, 9, 6, 12):
            arrive_as(number)
            assert following() == f"m{number}"
        for number in range(20, 32):
            arrive_as(number)
        arrive_as(8)
        late = [following() for _ in range(13)]
        assert sorted(late) == sorted(f"m{number}" for number in (8, *range(20, 32)))


@pytest.mark.skipif(not SERVER.startswith("sqlite"), reason="about SQLite only")
def test_following_reads_no_row_again(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a table with gaps, SQLite might read from the beginning."""
    put(app, *(row(f"m{number}") for number in range(1_200)))
    steps: list[None] = []

    def tick() -> float:
        steps.append(None)
        return 0.0

    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(text("DELETE FROM log_entry WHERE id IN (1195, 1197, 1199)"))
    # The readers' time limit checks the clock after each instruction of SQLite's virtual machine.
    monkeypatch.setattr(time_limit, "SQLITE_STEPS", 1)
    monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=tick))
    with app.app_context():
        followed = follow.follow(1, LIST_COLUMNS)
        next(followed)
        put(app, row("new"))
        steps.clear()
        found = next(followed)
        assert not isinstance(found, Unreadable)
        assert found.message == "new"
        # To read a row takes SQLite's virtual machine at least one instruction.
        assert 0 < len(steps) < 1_200


def test_following_survives_the_database(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.01)
    with app.app_context():
        put(app, row("a"))
        followed = follow.follow(1, LIST_COLUMNS)
        first = next(followed)
        with db.engines["log"].begin() as connection:
            connection.execute(text("ALTER TABLE log_entry RENAME TO log_away"))
        assert isinstance(next(followed), Unreadable)
        with db.engines["log"].begin() as connection:
            connection.execute(text("ALTER TABLE log_away RENAME TO log_entry"))
        put(app, row("b"))
        second = next(followed)
        assert not isinstance(first, Unreadable)
        assert not isinstance(second, Unreadable)
        assert (first.message, second.message) == ("a", "b")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of a POSIX shell")
def test_long_work_shows_how_far_it_is(app: Flask, environment: dict[str, str], tmp_path: Path) -> None:
    put(app, *(row("x", age=40 * 24 * HOUR) for _ in range(600)))
    rows = tmp_path / "rows"
    assert "600" in at_a_terminal(app, environment, f"log export --format jsonl > {rows}").split("Exporting")[-1]
    assert rows.read_text().count("\n") == 600
    put(app, row("a\x1b[32mb", level=50, age=40 * 24 * HOUR))
    seen = at_a_terminal(app, environment, "log export --format csv --level CRITICAL")
    assert "Exporting" not in seen
    assert "a\\x1b[32mb" in seen
    assert "100%" in at_a_terminal(app, environment, "log prune --days 30 --yes").split("Pruning")[-1]


def at_a_terminal(app: Flask, environment: dict[str, str], command: str) -> str:
    """Return what a flask command shows at a terminal."""
    from pty import openpty  # Windows has no pty

    keyboard, screen = openpty()
    command = f"{sys.executable} -m flask {command}"
    root = Path(app.root_path).parent
    subprocess.run(command, shell=True, cwd=root, env=environment, stdout=screen, stderr=screen, check=True, timeout=60)
    os.close(screen)
    with open(keyboard, "rb", buffering=0) as shown:
        seen = b""
        # Linux raises EIO at the end of the output.
        with suppress(OSError):
            while part := shown.read(65_536):
                seen += part
    return seen.decode()


def test_a_closed_pipe_ends_quietly(app: Flask, database_urls: dict[str, str], tmp_path: Path) -> None:
    put(app, *(row("x" * 300) for _ in range(600)))
    settings = {"SECRET_KEY": KEY, "LOG_FILE": "", "LOG_JOURNAL_DIR": str(tmp_path / "other"), "FLASK_SKIP_DOTENV": "1"}
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m flask log list --limit 600 | head -1"],
        env={**os.environ, **database_urls, **settings},
        cwd=Path(app.root_path).parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
