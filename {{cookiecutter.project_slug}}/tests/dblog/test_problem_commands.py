"""``flask log problems`` lists problems and decides about them by number."""

import json
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy.orm import Session

from app.database import db, utcnow
from app.dblog.models import LogProblem
from app.dblog.viewer.decisions import history

from .log_rows import problem_id, put, row


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "operator")


def run(runner: FlaskCliRunner, *arguments: object, exit_code: int = 0) -> Result:
    result = runner.invoke(args=["log", "problems", *map(str, arguments)])
    assert result.exit_code == exit_code, result.output
    return result


def stored(app: Flask, number: int) -> tuple[LogProblem, list[tuple[str, str | None, str | None]]]:
    """Return the problem, and its history, newest first."""
    with app.app_context(), Session(db.engines["log"]) as log:
        problem = log.get_one(LogProblem, number)
        return problem, [(each.action, each.detail, each.account) for each in history(log, problem)]


def test_decisions_say_what_they_did_and_who(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, row("the pot\nis empty", release="a"))
    number = problem_id(app)
    for arguments, said, status, line in (
        (("resolve", number), "Resolved", "resolved", ("resolved", None)),
        (("reopen", number), "Reopened", "open", ("reopened", None)),
        (("mute", number), "Muted", "muted", ("muted", None)),
        (("mute", number, "--until", "24h"), "Muted for 24 hours", "muted", ("muted", "for 24 hours")),
        (("mute", number, "--until", "+100"), "Muted until 100 more rows", "muted", ("muted", "until 100 more rows")),
        (
            ("resolve", "--next-deploy", number),
            "Resolved in the next deploy",
            "resolved",
            ("resolved", "in the next deploy"),
        ),
    ):
        assert run(runner, *arguments).stdout == f"{said}: {number}  the pot\n"
        problem, lines = stored(app, number)
        assert (problem.status, lines[0]) == (status, (*line, "operator"))
    assert problem.in_next_deploy


def test_several_at_once(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, row("a"), row("b", fingerprint="1-b"))
    numbers = problem_id(app), problem_id(app, "1-b")
    assert run(runner, "mute", *numbers, numbers[0]).stdout.splitlines() == [
        f"Muted: {numbers[0]}  a",
        f"Muted: {numbers[1]}  b",
    ]
    assert len(run(runner, "--status", "muted", "--json").stdout.splitlines()) == 2


def test_an_unknown_number_changes_nothing(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, row())
    number = problem_id(app)
    refused = run(runner, "resolve", number, 999, exit_code=1)
    assert refused.output == "Error: There is no problem 999, or not any more.\n"
    assert stored(app, number)[0].status == "open"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mute", "1", "--until", "soon"], "until: hours or days such as 24h or 7d, or rows such as +100"),
        (["resolve", "1", "--next-deploy"], "No deploy is known"),
        (["resolve"], "Missing argument"),
        (["resolve", "0"], "0 is not in the range"),
        (["resolve", str(2**63)], "is not in the range"),
    ],
)
def test_what_cannot_be_done_is_said(app: Flask, runner: FlaskCliRunner, arguments: list[str], said: str) -> None:
    put(app, row())
    number = problem_id(app)
    assert said in run(runner, *[str(number) if each == "1" else each for each in arguments], exit_code=2).output
    assert stored(app, number)[0].status == "open"


def test_titles_cannot_write_to_the_terminal(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, row("\x1b[2J\u202egone"))
    assert "\\x1b[2J\\u202egone" in run(runner, "resolve", problem_id(app)).stdout


def test_fifty_are_shown_unless_said_otherwise(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, *(row(f"{number}", fingerprint=f"1-{number}") for number in range(52)))
    assert len(run(runner, "--json").stdout.splitlines()) == 50
    shown = [json.loads(line) for line in run(runner, "--json", "--limit", 51).stdout.splitlines()]
    assert len(shown) == 51


def test_what_was_seen_once_is_listed_apart_if_it_is_too_much(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, *(row("often", fingerprint="1-often", age=timedelta(days=1)) for _ in range(2)))
    put(app, *(row(f"once {number}", fingerprint=f"2n-{number}") for number in range(1_000)))
    result = run(runner, "--limit", 2_000)
    assert len(result.stdout.splitlines()) == 1_001
    assert result.stderr == ""
    put(app, row("one more", fingerprint="2n-more"))
    for options in ((), ("--json",)):
        result = run(runner, *options)
        [line] = result.stdout.splitlines()
        assert "often" in line
        hint = "The list leaves out 1,001 problems seen once, which --status once shows.\n"
        assert result.stderr == hint
    result = run(runner, "--status", "once")
    assert len(result.stdout.splitlines()) == 50
    assert "one more" in result.stdout
    assert result.stderr == ""


def test_levels_and_what_is_new(app: Flask, runner: FlaskCliRunner) -> None:
    refused = run(runner, "--new", exit_code=1)
    assert "No deploy is known" in refused.output
    old, minute = timedelta(hours=2), timedelta(minutes=1)
    put(app, row("old", age=old), row("info", level=20, fingerprint="1-info", age=old))
    put(app, row("new", age=minute, release="9f2c1ab", fingerprint="1-new"))
    put(app, row("critical", age=minute, level=50, fingerprint="1-critical"))

    def titles(*options: str) -> set[str]:
        return {json.loads(line)["title"] for line in run(runner, "--json", *options).stdout.splitlines()}

    assert titles() == {"old", "new", "critical"}
    assert titles("--level", "info") == {"old", "new", "critical", "info"}
    assert titles("--level", "CRITICAL") == {"critical"}
    assert titles("--new") == {"new", "critical"}
    assert titles("--new", "--level", "50") == {"critical"}
    assert "one of DEBUG" in run(runner, "--level", "loud", exit_code=2).output


def test_a_mute_that_its_time_has_ended_is_open(app: Flask, runner: FlaskCliRunner) -> None:
    put(app, row())
    run(runner, "mute", problem_id(app), "--until", "24h")
    assert run(runner, "--json").stdout == ""
    with app.app_context(), db.engines["log"].begin() as connection:
        ended = utcnow() - timedelta(seconds=1)
        connection.execute(LogProblem.__table__.update().values(muted_until=ended))  # type: ignore[attr-defined]
    [problem] = run(runner, "--json").stdout.splitlines()
    assert json.loads(problem)["status"] == "open"
    assert "\topen\t" in run(runner).stdout


def test_an_account_with_anything_in_its_name(
    app: Flask, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(app, row())
    monkeypatch.setattr("getpass.getuser", lambda: "a\ud800" + "b" * 1_000)
    run(runner, "resolve", problem_id(app))
    [(_, _, account)] = stored(app, problem_id(app))[1]
    assert account is not None
    assert account.startswith("a")
    assert len(account) <= 255
