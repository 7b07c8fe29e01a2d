"""Any process deletes old rows with their counts, by whole hours, a few rows at a time."""

import json
import logging
import math
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from flask_migrate import upgrade
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, insert, select, text
from sqlalchemy.orm import Session

from app import database
from app.accounts.models import User
from app.config import PROJECT
from app.database import day_of, db, hour_of, utcnow
from app.dblog import flush, limits
from app.dblog.capture.event import internal
from app.dblog.errors import retry_while_busy
from app.dblog.models import (
    LogDay,
    LogDecision,
    LogEntry,
    LogHour,
    LogPosition,
    LogProblem,
    LogProblemDay,
    LogProblemHour,
    LogProblemUser,
)
from app.dblog.store import pruned_problems, retention
from app.dblog.store.retention import Retention, find_cutoff, prune
from app.dblog.store.rows import make_row
from app.dblog.viewer import status
from app.engines import engine_options, limit_lock_waits
from app.sqlite import set_up_sqlite

from ..conftest import SERVER, Command
from .log_rows import ERROR, put, row

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
THIS_HOUR = hour_of(utcnow())
SQLITE = SERVER.startswith("sqlite")


@pytest.fixture(autouse=True)
def _this_hour_is_this_tests(_no_hour_ends: None) -> None:
    """Set the current hour anew: the module may have been imported in an earlier one."""
    global THIS_HOUR
    THIS_HOUR = hour_of(utcnow())


@pytest.fixture(autouse=True)
def _the_clock_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log trust the clock at once, unless the test is about that."""
    monkeypatch.setattr(retention, "EVEN_SECONDS", 0.0)


@pytest.fixture
def aged(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Store forty days of rows, of which 33 are older than thirty days; each transaction prunes ten."""
    monkeypatch.setattr(retention, "BATCH_ROWS", 10)
    ages = [number * 8 * HOUR - 4 * HOUR for number in range(120, 0, -1)]
    put(
        app,
        *(
            row(f"m{number}", age=age, fingerprint=f"1-{number % 4}", level=30 + number % 2 * 10, **ERROR)
            for number, age in enumerate(ages)
        ),
        *(row(status, age=39 * DAY, fingerprint=f"1-{status}") for status in ("open", "muted", "resolved")),
    )
    with app.app_context(), db.engines["log"].begin() as connection:
        for status in ("muted", "resolved"):
            connection.execute(text(f"UPDATE log_problem SET status = '{status}' WHERE fingerprint = '1-{status}'"))
    return app


def engine_of(app: Flask) -> Engine:
    with app.app_context():
        return db.engines["log"]


@contextmanager
def reading(app: Flask) -> Iterator[Session]:
    with Session(engine_of(app)) as log:
        yield log


def check_counts(app: Flask) -> int:
    """Compare the counts of every hour with the rows; return how many rows there are."""
    with reading(app) as log:
        rows = log.execute(select(LogEntry.created_at, LogEntry.level, LogEntry.logger, LogEntry.fingerprint)).all()
        hours = {(each.hour, each.level, each.logger): each.count for each in log.scalars(select(LogHour))}
        problem_hours = {
            (each.fingerprint, each.hour, each.level, each.logger): each.count
            for each in log.scalars(select(LogProblemHour))
        }
        days = {(each.day, each.level, each.logger): each.count for each in log.scalars(select(LogDay))}
        problem_days = {
            (each.fingerprint, each.day, each.level, each.logger): each.count
            for each in log.scalars(select(LogProblemDay))
        }
    assert hours == Counter((hour_of(each.created_at), each.level, each.logger) for each in rows)
    assert problem_hours == Counter(
        (each.fingerprint, hour_of(each.created_at), each.level, each.logger) for each in rows
    )
    assert days == Counter((day_of(each.created_at), each.level, each.logger) for each in rows)
    assert problem_days == Counter(
        (each.fingerprint, day_of(each.created_at), each.level, each.logger) for each in rows
    )
    return len(rows)


def count(app: Flask) -> int:
    with reading(app) as log:
        return log.scalar(select(func.count(LogEntry.id))) or 0


def problems(app: Flask) -> dict[str, tuple[str, int]]:
    """Return status and count of each problem."""
    with reading(app) as log:
        return {each.fingerprint: (each.status, each.count) for each in log.scalars(select(LogProblem))}


def prune_all(engine: Engine, days: int) -> int:
    cutoff = find_cutoff(engine, days, 0)
    assert cutoff
    gone = 0
    while (rows := prune(engine, cutoff)) is not None:
        gone += rows
    return gone


def deleted_by_step(engine: Engine, days: int) -> dict[str, list[int]]:
    """Prune to the end; return for each table how many rows the steps have deleted that deleted any."""
    tables = db.metadatas["log"].sorted_tables

    def count_all() -> Counter[str]:
        with engine.connect() as connection:
            return Counter({each.name: connection.scalar(select(func.count()).select_from(each)) for each in tables})

    cutoff = find_cutoff(engine, days, 0)
    assert cutoff
    deleted: dict[str, list[int]] = {}
    before = count_all()
    while prune(engine, cutoff) is not None:
        left = count_all()
        for name, rows in (before - left).items():
            deleted.setdefault(name, []).append(rows)
        before = left
    return deleted


def test_whole_hours_go_with_their_counts(aged: Flask) -> None:
    runner = aged.test_cli_runner()
    assert check_counts(aged) == 123
    cutoff = hour_of(utcnow()) - 30 * DAY
    hour = f"{cutoff.astimezone():%Y-%m-%d %H:%M}"
    dry = runner.invoke(args=["log", "prune", "--days", "30", "--dry-run"])
    assert dry.output == f"33 rows from before {hour} would go.\n"
    assert check_counts(aged) == 123
    put(aged, row("just before", created_at=cutoff - timedelta(microseconds=1)), row("at", created_at=cutoff))
    commits: list[Connection] = []
    event.listen(engine_of(aged), "commit", commits.append)
    done = runner.invoke(args=["log", "prune", "--days", "30"])
    assert done.exit_code == 0, done.output
    assert done.output.endswith(f"Deleted 34 rows from before {hour}.\n")
    assert len(commits) >= 4, "ten rows a transaction"
    assert check_counts(aged) == 91
    with reading(aged) as log:
        assert log.scalar(select(LogEntry.message).order_by(LogEntry.created_at).limit(1)) == "at"
    again = runner.invoke(args=["log", "prune", "--days", "30"])
    assert again.output.endswith(f"Deleted 0 rows from before {hour}.\n")


def test_a_step_is_few_rows_of_each_table(aged: Flask) -> None:
    put(aged, *(row(age=50 * DAY, fingerprint=f"1-of-its-own-{number}", user_id=7) for number in range(35)))
    with engine_of(aged).begin() as connection:
        names = connection.scalars(select(LogProblem.fingerprint)).all()
        undone = {"created_at": utcnow(), "action": "undone"}
        connection.execute(insert(LogDecision), [{"fingerprint": name, **undone} for name in names])
    deleted = deleted_by_step(engine_of(aged), 30)
    assert sum(deleted["log_entry"]) == 68
    assert check_counts(aged) == 90
    counts = {"log_hour", "log_day", "log_problem_hour", "log_problem_day", "log_problem_user", "log_decision"}
    assert deleted.keys() == {"log_entry", "log_problem"} | counts
    of_problems = deleted["log_problem"] + deleted["log_problem_user"] + deleted["log_decision"]
    assert max(deleted["log_entry"] + of_problems) == 10
    # The last hour has all its rows.
    assert max(deleted["log_hour"] + deleted["log_problem_hour"]) < 20


@pytest.mark.skipif(not SQLITE, reason="each database shows its plan in its own words")
def test_no_step_reads_a_whole_table(aged: Flask) -> None:
    """There may be as many problems, hours and days as rows, and a step is made for every 200 of these."""
    put(aged, *(row(age=50 * DAY, fingerprint=f"1-of-its-own-{number}", user_id=7) for number in range(35)))
    put(aged, *(row(age=50 * DAY, fingerprint=f"1-dropped-{number}", user_id=7) for number in range(35)))
    engine = engine_of(aged)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM log_problem WHERE fingerprint LIKE '1-dropped%'"))
    statements: dict[str, Any] = {}
    event.listen(engine, "before_cursor_execute", lambda *given: statements.setdefault(given[2], given[3]))
    cutoff = find_cutoff(engine, 30, 0)
    assert cutoff
    while prune(engine, cutoff, retention.year_before(engine)) is not None:
        pass
    # What has no condition is the oldest row of all, the first of an index. Of journals there are few.
    checked = [each for each in statements if "WHERE" in each and "log_position" not in each and "log_" in each]
    assert len(checked) > 10
    with engine.connect() as connection:
        for statement in checked:
            values = statements[statement]
            values = values[0] if isinstance(values, list) else values
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            assert not [step for step in plan if step[3].startswith("SCAN log_")], statement


def test_users_are_rows_too(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruned_problems, "DELETED_USERS", 10)
    for number, users in enumerate((4, 4, 4, 25, 1)):
        created_at = THIS_HOUR - 50 * DAY + number * HOUR
        put(app, *(row(user_id=user, created_at=created_at, fingerprint=f"1-{number}") for user in range(users)))
    deleted = deleted_by_step(engine_of(app), 30)
    assert deleted["log_problem_user"] == [8, 4, 25, 1]
    assert problems(app) == {}


def test_a_problem_that_is_seen_while_it_is_deleted_stays_with_what_it_has(app: Flask) -> None:
    put(app, row(age=50 * DAY, fingerprint="1-gone", user_id=7), row(age=50 * DAY, fingerprint="1-seen", user_id=8))
    engine, seen = engine_of(app), []

    def see(_connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        if "DELETE FROM log_problem " in statement and not seen:
            seen.append(statement)
            now = f"{utcnow():%Y-%m-%d %H:%M:%S.%f}"
            cursor.execute(f"UPDATE log_problem SET last_seen = '{now}' WHERE fingerprint = '1-seen'")

    event.listen(engine, "before_cursor_execute", see)
    prune_all(engine, 30)
    assert problems(app) == {"1-seen": ("open", 1)}
    with reading(app) as log:
        assert log.execute(select(LogProblemUser.fingerprint, LogProblemUser.user_id)).all() == [("1-seen", 8)]


Executed = tuple[str, Any, bool]


@pytest.fixture
def flood(aged: Flask) -> tuple[Engine, list[Executed]]:
    """Store 36 rows that are problems of their own and drop half of these; return what is executed then."""
    old = THIS_HOUR.replace(hour=12) - 50 * DAY
    for kind in ("dropped", "kept"):
        for hour in range(2):
            rows = (
                row(
                    created_at=old + hour * HOUR,
                    fingerprint=f"1-{kind}-{hour}-{number}",
                    user_id=7,
                    logger=f"s{number}",
                )
                for number in range(9)
            )
            put(aged, *rows)
    engine = engine_of(aged)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM log_problem WHERE fingerprint LIKE '1-dropped%'"))
    executed: list[Executed] = []
    event.listen(engine, "before_cursor_execute", lambda *given: executed.append((given[2], given[3], given[5])))
    return engine, executed


@pytest.mark.parametrize("returning", [True, False])
def test_what_a_flood_of_texts_left_behind_goes_without_a_statement_for_each(
    aged: Flask, flood: tuple[Engine, list[Executed]], monkeypatch: pytest.MonkeyPatch, returning: bool
) -> None:
    engine, executed = flood
    if not returning:  # as on MySQL
        monkeypatch.setattr(engine.dialect, "delete_returning", False)
    assert prune_all(engine, 30) == 69
    assert check_counts(aged) == 90
    with reading(aged) as log:
        assert 8 not in log.scalars(select(LogProblemUser.user_id)).all()
    named = [(sql, given) for sql, given, many in executed if many and "log_problem_day" in sql]
    assert not [each for each in named if "-kept-" in str(each) or "-dropped-" in str(each)]


@pytest.mark.skipif(SERVER.startswith(("mysql", "mariadb")), reason="it gets keys one by one")
def test_many_keys_are_one_value(flood: tuple[Engine, list[Executed]]) -> None:
    engine, executed = flood
    prune_all(engine, 30)
    given = [len(values) for sql, values, many in executed if not many and "log_" in sql]
    assert len(given) > 50
    assert max(given) < 10, "a step is ten rows of each table"


@pytest.mark.skipif(not SERVER.startswith("postgresql"), reason="only PostgreSQL has such a statement")
def test_one_statement_deletes_problems_with_all_they_have(flood: tuple[Engine, list[Executed]]) -> None:
    engine, executed = flood
    cutoff = find_cutoff(engine, 30, 0)
    assert cutoff
    while prune(engine, cutoff) is not None:
        pass
    deletions = [sql for sql, _, _ in executed if "DELETE FROM log_problem " in sql]
    assert deletions
    for table in ("log_problem_user", "log_decision", "log_problem_hour", "log_problem_day"):
        assert all(f"DELETE FROM {table} " in sql for sql in deletions)


def test_a_day_that_is_added_to_while_its_hours_are_deleted_keeps_what_is_added(
    aged: Flask, flood: tuple[Engine, list[Executed]]
) -> None:
    engine, _ = flood
    added: list[str] = []

    def add(_connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith("DELETE FROM log_problem_day") and "EXISTS" in statement and not added:
            added.append(statement)
            cursor.execute("UPDATE log_problem_day SET count = count + 1 WHERE fingerprint LIKE '1-dropped-%'")

    event.listen(engine, "before_cursor_execute", add)
    prune_all(engine, 30)
    assert added
    with reading(aged) as log:
        kept = select(LogProblemDay.fingerprint, LogProblemDay.count).where(
            LogProblemDay.fingerprint.like("1-dropped-%")
        )
        left = dict(log.execute(kept).all())
    assert set(left.values()) == {1}
    assert len(left) == 18


def test_counts_by_the_day_agree_with_the_rows_that_are_left(aged: Flask) -> None:
    put(aged, *(row(created_at=THIS_HOUR.replace(hour=0) - 3 * DAY + number * HOUR) for number in range(48)))
    prune_all(engine_of(aged), 30)
    with reading(aged) as log:
        days = {(each.fingerprint, each.day): each.count for each in log.scalars(select(LogProblemDay))}
        rows = log.execute(select(LogEntry.fingerprint, LogEntry.created_at)).all()
    first = day_of(utcnow() - 30 * DAY)
    assert min(day for _, day in days) >= first
    of_rows = Counter((each.fingerprint, day_of(each.created_at)) for each in rows)
    assert max(of_rows.values()) >= 24
    assert {key: count for key, count in days.items() if key[1] > first} == {
        key: count for key, count in of_rows.items() if key[1] > first
    }


def test_a_problems_count_is_since_it_was_first_seen(aged: Flask) -> None:
    before = problems(aged)
    assert prune_all(engine_of(aged), 30) == 33
    assert before.pop("1-open") == ("open", 1), "nobody decided about it, and it was last seen before"
    assert problems(aged) == before
    assert before["1-muted"] == ("muted", 1), "or it would be open at its next row"
    assert before["1-resolved"] == ("resolved", 1)
    assert sum(count for _, count in before.values()) == 122


def test_keeping_all(app: Flask, runner: FlaskCliRunner) -> None:
    app.config |= {"LOG_RETENTION_DAYS": 0, "LOG_MAX_ROWS": 0}
    put(app, row(age=4000 * DAY))
    refused = runner.invoke(args=["log", "prune"])
    assert refused.exit_code == 2
    assert "--days" in refused.stderr
    kept = Retention(engine_of(app), 0, 0)
    kept.due = 0.0
    assert kept.step() > retention.RETRY_SECONDS
    assert check_counts(app) == 1


def test_longer_than_there_are_dates_does_not_end_the_writer(app: Flask) -> None:
    """Another application's configuration may allow such a number."""
    forever = Retention(engine_of(app), 999_999, 0)
    forever.due = 0.0
    assert forever.step() > 0


def run_now(pruner: Retention) -> float:
    """Let the pruner take its next step without its pause; return how long it pauses after the step."""
    pruner.due = 0.0
    return pruner.step()


def test_a_pause_follows_each_step(aged: Flask) -> None:
    engine = engine_of(aged)
    pruner = Retention(engine, 30, 0)
    assert 0 < pruner.step() <= retention.START_SECONDS
    assert count(aged) == 123
    for left in (113, 103, 93, 90):
        assert 0 < run_now(pruner) < retention.EVERY_SECONDS / 2
        assert count(aged) == left
        assert pruner.step() > 0, "it rests"
        assert count(aged) == left
    while (pause := run_now(pruner)) < retention.EVERY_SECONDS / 2:
        pass
    assert pause <= retention.EVERY_SECONDS
    assert check_counts(aged) == 90


@pytest.mark.parametrize(("more", "seconds"), [(0, 1000.0), (33, 500.0)])
def test_the_pace_follows_how_much_there_is_to_delete(
    aged: Flask, monkeypatch: pytest.MonkeyPatch, more: int, seconds: float
) -> None:
    """In steps of ten, all old rows are deleted by the end of the round: 33 rows in 3,300 s, or twice as many."""
    monkeypatch.setattr(retention, "REST", math.inf)
    monkeypatch.setattr(retention, "ROUND_SECONDS", 3_300.0)
    put(aged, *(row(created_at=THIS_HOUR - 50 * DAY) for _ in range(more)))
    assert run_now(Retention(engine_of(aged), 30, 0)) == pytest.approx(seconds, rel=0.05)


def test_it_does_not_rest_while_it_is_behind(aged: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROUND_SECONDS", 0.0)
    pruner = Retention(engine_of(aged), 30, 0)
    pruner.due = 0.0
    for left in (113, 103, 93, 90):
        assert pruner.step() == 0.0
        assert count(aged) == left


def test_a_problem_of_one_row_goes_with_it(aged: Flask) -> None:
    """The problem is deleted with its row, not at the end of the hour, when there might be a million of them."""
    old = THIS_HOUR - 50 * DAY
    put(aged, *(row(created_at=old + number * HOUR / 25, fingerprint=f"1-own-{number}") for number in range(25)))
    cutoff = find_cutoff(engine_of(aged), 30, 0)
    assert cutoff
    assert prune(engine_of(aged), cutoff) == 10
    assert sum(name.startswith("1-own") for name in problems(aged)) == 15
    with reading(aged) as log:
        names = log.scalars(select(LogProblemHour.fingerprint).where(LogProblemHour.hour == old)).all()
        assert log.scalar(select(LogHour.count).where(LogHour.hour == old)) == 25, "it is counted as a whole"
    assert sorted(names) == sorted(f"1-own-{number}" for number in range(10, 25))


def test_how_many_rows_are_left_is_estimated(aged: Flask) -> None:
    cutoff = THIS_HOUR - 30 * DAY
    old = THIS_HOUR - 50 * DAY
    put(aged, *(row(created_at=old + number * HOUR / 40) for number in range(40)))
    for left in (73, 63, 53, 43):
        with engine_of(aged).connect() as connection:
            assert limits.estimate_older(connection, cutoff) == left
        prune(engine_of(aged), cutoff)
    prune_all(engine_of(aged), 30)
    with engine_of(aged).connect() as connection:
        assert limits.estimate_older(connection, cutoff) == 0


def facts_of(app: Flask) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(app.test_cli_runner().invoke(args=["log", "status", "--json"]).output)
    return facts


def test_status_says_what_goes_and_why_and_whether_it_is_late(aged: Flask) -> None:
    cutoff = THIS_HOUR - 30 * DAY
    late = facts_of(aged)
    assert datetime.fromisoformat(late["pruned_before"]) == cutoff
    assert (late["pruned_because_of"], late["rows_to_prune"]) == ("LOG_RETENTION_DAYS", 33)
    assert (late["state"], late["pruning_is_late"]) == ("degraded", True)
    assert "does not keep up: about 33 rows" in " ".join(late["reasons"])
    prune_all(engine_of(aged), 30)
    put(aged, row(created_at=cutoff - HOUR))
    due = facts_of(aged)
    assert (due["state"], due["rows_to_prune"], due["pruning_is_late"], due["reasons"]) == ("ok", 1, False, [])


def test_status_says_that_there_are_too_many_rows(busy: Flask) -> None:
    busy.config |= {"LOG_RETENTION_DAYS": 0, "LOG_MAX_ROWS": 9}
    due = facts_of(busy)
    assert (due["pruned_because_of"], due["rows_to_prune"], due["pruning_is_late"]) == ("LOG_MAX_ROWS", 6, False)
    put(busy, *(row(created_at=THIS_HOUR - 3 * HOUR) for _ in range(10)))
    assert facts_of(busy)["pruning_is_late"], "of what was logged three hours ago there was too much already"
    busy.config["LOG_MAX_ROWS"] = 0
    free = facts_of(busy)
    assert (free["pruned_before"], free["rows_to_prune"], free["pruning_is_late"]) == (None, None, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that moves the host's clock, alone or together with the monotonic one."""
    wall, monotonic = time.time, time.monotonic

    def move(*, host: float = 0.0, both: float = 0.0) -> None:
        monkeypatch.setattr(time, "time", lambda: wall() + host + both)
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + both)
        moved = timedelta(seconds=host + both)
        monkeypatch.setattr(database, "utcnow", lambda: utcnow() + moved)

    return move


YEARS = 400 * DAY.total_seconds()


def test_a_host_whose_clock_is_wrong_deletes_nothing(
    aged: Flask, clock: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log trusts a server's clock; with SQLite it trusts the host's after ten minutes of even running."""
    monkeypatch.setattr(retention, "EVEN_SECONDS", 600.0)
    pruner = Retention(engine_of(aged), 30, 0)
    clock(host=YEARS)
    run_now(pruner)
    assert count(aged) == (123 if SQLITE else 113)
    clock(host=YEARS, both=500)
    run_now(pruner)
    assert count(aged) == (123 if SQLITE else 103)
    clock(both=600)
    run_now(pruner)
    assert count(aged) == (123 if SQLITE else 93), "it jumped back"
    clock(both=1_201)
    pruner._cutoff = None
    for _ in range(9):
        run_now(pruner)
    assert check_counts(aged) == 90


@pytest.mark.skipif(not SQLITE, reason="about SQLite's clock")
def test_a_clock_that_jumps_while_it_is_read_is_not_believed(aged: Flask, clock: Callable[..., None]) -> None:
    pruner = Retention(engine_of(aged), 30, 0)
    clock(host=YEARS)
    pruner._work()
    assert pruner._cutoff == THIS_HOUR - 30 * DAY


def test_prune_asks_before_it_takes_every_row(app: Flask, clock: Callable[..., None]) -> None:
    put(app, *(row(age=number * DAY) for number in range(1, 31)))
    clock(host=YEARS)
    prune_command = ["log", "prune", "--days", "50" if SQLITE else "1"]
    if not SQLITE:  # by the server's clock a row would be left
        with engine_of(app).begin() as connection:
            connection.execute(
                text(
                    "DELETE FROM log_entry WHERE created_at > (SELECT created_at FROM"
                    " (SELECT created_at FROM log_entry ORDER BY created_at DESC LIMIT 1 OFFSET 2) AS third)"
                )
            )
    rows = count(app)
    for answer in ("", "n\n"):
        asked = app.test_cli_runner().invoke(args=prune_command, input=answer)
        assert asked.exit_code == 1
        assert f"Every row of the log, {rows} in all" in asked.output
        assert count(app) == rows
    done = app.test_cli_runner().invoke(args=[*prune_command, "--yes"])
    assert done.exit_code == 0, done.output
    assert count(app) == 0
    assert app.test_cli_runner().invoke(args=prune_command).exit_code == 0, "there is nothing to ask about"


def test_an_error_is_no_end(aged: Flask) -> None:
    engine = engine_of(aged)
    pruner = Retention(engine, 30, 0)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE log_entry RENAME TO log_away"))
    assert retention.RETRY_SECONDS / 2 < run_now(pruner) <= retention.RETRY_SECONDS
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE log_away RENAME TO log_entry"))
    run_now(pruner)
    assert count(aged) == 113


def another_engine(url: URL) -> Engine:
    """Return an engine like that of another process."""
    engine = create_engine(url, **engine_options(url, for_log=True))
    set_up_sqlite(engine)
    limit_lock_waits(engine)
    return engine


# A process that waits for a line on stdin, prunes ten days' rows by ten a transaction, and prints how many it deleted.
PRUNER = """
import sys
from app import create_app
from app.dblog.store import retention

retention.BATCH_ROWS = 10
runner = create_app().test_cli_runner()
print("ready")
sys.stdin.readline()
done = runner.invoke(args=["log", "prune", "--days", "10"])
print(done.output.splitlines()[-1])
sys.exit(done.exit_code)
"""
# With this in front, the process kills itself in the transaction of the third statement that begins like this.
SUICIDE = """
import os, signal
from itertools import count
from sqlalchemy import event
from app.dblog.store import cli

numbers = count(1)

def die(_connection, _cursor, statement, *_):
    if statement.startswith("DELETE FROM {table} ") and next(numbers) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

def find_cutoff(engine, days, max_rows, find=cli.find_cutoff):
    event.listen(engine, "after_cursor_execute", die)
    return find(engine, days, max_rows)

cli.find_cutoff = find_cutoff
"""


def test_processes_share_the_work(aged: Flask, environment: dict[str, str]) -> None:
    """Only one process deletes each row, and none of them fails."""
    put(aged, *(row(age=(20 + number / 40) * DAY, fingerprint=f"1-{number % 7}") for number in range(400)))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PRUNER],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    gone = [int(line.split()[1].replace(",", "")) for line in said]
    assert sum(gone) == 93 + 400
    assert check_counts(aged) == 30


def test_threads_share_the_work(aged: Flask) -> None:
    """The threads have engines of their own and leave out the command's pauses, so they meet as often as possible."""
    url = engine_of(aged).url
    put(aged, *(row(age=(20 + number / 40) * DAY, fingerprint=f"1-{number % 7}") for number in range(400)))
    barrier = threading.Barrier(4)

    def work() -> int:
        engine = another_engine(url)
        cutoff = find_cutoff(engine, 10, 0)
        assert cutoff
        gone = 0
        barrier.wait(30)
        while (rows := retry_while_busy(partial(prune, engine, cutoff), engine, 60)) is not None:
            gone += rows
        engine.dispose()
        return gone

    with ThreadPoolExecutor(4) as pool:
        works = [pool.submit(work) for _ in range(4)]
        gone = [each.result(60) for each in works]
    assert sum(gone) == 93 + 400
    assert check_counts(aged) == 30


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("table", ["log_entry", "log_hour", "log_problem_hour"])
def test_a_process_dies_and_the_next_goes_on(aged: Flask, command: Command, table: str) -> None:
    killed = command("-c", SUICIDE.format(table=table) + PRUNER, input="\n")
    assert killed.returncode == -9, killed.stderr
    left = count(aged)
    assert 30 < left < 123, "it had begun, and was not done"
    # A server may need a moment to notice that the process is gone, and to unlock the rows.
    end = time.monotonic() + 30
    while count(aged) > 30 and time.monotonic() < end:
        done = aged.test_cli_runner().invoke(args=["log", "prune", "--days", "10"])
        assert done.exit_code == 0, done.output
    assert check_counts(aged) == 30


def test_an_unfinished_pruning_leaves_one_hour_in_part(aged: Flask) -> None:
    """All other hours have either all their rows or none, so the histogram is right even if nobody continues."""
    put(aged, *(row(age=(20 + number / 40) * DAY) for number in range(400)))
    cutoff = find_cutoff(engine_of(aged), 10, 0)
    assert cutoff
    for _ in range(25):
        prune(engine_of(aged), cutoff)
    with reading(aged) as log:
        rows = Counter(hour_of(moment) for moment in log.scalars(select(LogEntry.created_at)))
        hours: Counter[datetime] = Counter()
        for each in log.scalars(select(LogHour)):
            hours[each.hour] += each.count
    assert rows.keys() == hours.keys()
    assert [hour for hour in rows if rows[hour] != hours[hour]] in ([], [min(rows)])


def test_a_late_record_goes_next_time(aged: Flask) -> None:
    """A journal that waited for long is shipped while its hour is pruned, or after that."""
    engine = engine_of(aged)
    cutoff = find_cutoff(engine, 30, 0)
    assert cutoff

    arrived: list[str] = []

    def arrive(statement: str = "") -> None:
        arrived.append(statement)  # before the record is stored, because that also runs a SELECT for the problem
        put(aged, row("late", age=50 * DAY, fingerprint="1-late"))

    if engine.dialect.name == "postgresql":
        # The record arrives in the middle of a step, between the query for the oldest row and the deletion. On SQLite
        # and MariaDB it waits for the end of the step.
        @event.listens_for(engine, "before_cursor_execute")
        def in_the_middle(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            if statement.startswith("SELECT log_problem.") and not arrived:
                arrive(statement)

    assert prune(engine, cutoff) == 10
    if engine.dialect.name != "postgresql":
        arrive()
    assert prune_all(engine, 30) == 24
    assert check_counts(aged) == 90
    arrive()
    assert check_counts(aged) == 91
    assert prune_all(engine, 30) == 1
    assert check_counts(aged) == 90
    assert "1-late" not in problems(aged)


def test_counts_without_a_row_go(aged: Flask) -> None:
    """It does not matter how they were left behind, and no row need be old."""
    prune_all(engine_of(aged), 30)
    hours = [hour_of(utcnow()) - 31 * DAY - number * HOUR for number in range(25)]
    with engine_of(aged).begin() as connection:
        counts = [{"hour": hour, "level": 40, "logger": "s", "count": 3} for hour in hours]
        connection.execute(insert(LogHour), counts)
        connection.execute(insert(LogProblemHour), [{**one, "fingerprint": "1-0"} for one in counts])
    assert prune_all(engine_of(aged), 30) == 0
    assert check_counts(aged) == 90


def test_the_writer_stores_a_late_record_and_prunes_it(
    make_app: Callable[..., Flask], app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EVERY_SECONDS", 0.01)
    put(app, row(age=DAY))
    make_app(LOG_RETENTION_DAYS=7)
    created = (utcnow() - 20 * DAY).timestamp()
    for number in range(3):
        record = logging.makeLogRecord({"name": "shop", "levelno": 40, "msg": f"late {number}", "created": created})
        logging.getLogger("shop").handle(record)
        assert flush(20)
    wait_for_rows(app, 1)
    assert check_counts(app) == 1


def wait_for_rows(app: Flask, rows: int) -> None:
    end = time.monotonic() + 30
    while count(app) != rows and time.monotonic() < end:
        time.sleep(0.01)


def test_a_record_is_counted_in_the_hour_of_its_row() -> None:
    """A time is rounded to microseconds before it is stored, here to the full hour."""
    full_hour = 472_223 * 3_600.0
    event_row = make_row("id", internal("m") | {"time": math.nextafter(full_hour, 0)}, "")
    assert event_row["created_at"].timestamp() == full_hour
    assert event_row["hour"] == event_row["created_at"]


@pytest.fixture
def busy(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Store 5, 4 and, in the current hour, 6 rows. The clock stands still, so that the hour does not end meanwhile."""
    now = THIS_HOUR + HOUR / 2
    for module in (retention, status):
        monkeypatch.setattr(module, "current_time", lambda _session: now)
    for hours, rows in ((7, 5), (1, 4), (0, 6)):
        put(app, *(row(f"{hours}", created_at=now - hours * HOUR + number * HOUR / 20) for number in range(rows)))
    return app


@pytest.mark.parametrize(
    ("max_rows", "left", "above"), [(15, 15, 0), (14, 10, 0), (10, 10, 0), (9, 6, 0), (6, 6, 0), (5, 6, 1), (1, 6, 5)]
)
def test_beyond_so_many_rows_the_oldest_hours_go(busy: Flask, max_rows: int, left: int, above: int) -> None:
    busy.config |= {"LOG_RETENTION_DAYS": 0, "LOG_MAX_ROWS": max_rows}
    runner = busy.test_cli_runner()
    (before,) = (json.loads(line) for line in runner.invoke(args=["log", "status", "--json"]).output.splitlines())
    assert before["rows_above_limit"] == 15 - max_rows
    said = f"{15 - left} rows from before" if left < 15 else "nothing is to be pruned"
    assert said in runner.invoke(args=["log", "prune", "--dry-run"]).output
    done = runner.invoke(args=["log", "prune"])
    assert done.exit_code == 0, done.output
    assert check_counts(busy) == left, "whole hours, and never the current one"
    assert f"rows above limit  {above}\n" in runner.invoke(args=["log", "status"]).output


def test_the_stricter_limit_holds(busy: Flask) -> None:
    engine = engine_of(busy)
    put(busy, row(age=40 * DAY))
    assert find_cutoff(engine, 0, 0) is None
    assert find_cutoff(engine, 0, 20) is None
    assert find_cutoff(engine, 30, 20) == THIS_HOUR - 30 * DAY
    assert find_cutoff(engine, 30, 15) == THIS_HOUR - 30 * DAY
    assert find_cutoff(engine, 30, 14) == THIS_HOUR - 6 * HOUR
    put(busy, *(row(created_at=THIS_HOUR + 30 * HOUR) for _ in range(3)))
    assert find_cutoff(engine, 0, 2) == THIS_HOUR, "a host whose clock is ahead changes nothing"


@pytest.mark.parametrize("limits", [{"LOG_RETENTION_DAYS": 7}, {"LOG_RETENTION_DAYS": 0, "LOG_MAX_ROWS": 3}])
def test_the_writer_prunes(
    make_app: Callable[..., Flask], app: Flask, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    put(app, *(row(age=20 * DAY) for _ in range(5)), row(age=DAY))
    second = make_app(**limits)
    writer = second.extensions["dblog"].writer
    second.logger.error("it wakes")
    assert writer.flush(10)
    # The writer continues by itself whenever it has nothing else to do.
    wait_for_rows(second, 2)
    assert check_counts(second) == 2


@pytest.fixture(params=["two databases", "one database"])
def site(
    request: pytest.FixtureRequest,
    make_app: Callable[..., Flask],
    database_urls: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Flask:
    """Return an application with old rows, which its writer prunes as soon as the first request or record starts it."""
    if request.param == "one database":
        database_urls["LOG_DATABASE_URL"] = database_urls["DATABASE_URL"]
    monkeypatch.setattr(retention, "START_SECONDS", 0.0)
    app = make_app(LOG_RETENTION_DAYS=7, WTF_CSRF_ENABLED=False)
    with app.app_context():
        upgrade()
    put(app, *(row(age=20 * DAY) for _ in range(5)))

    @app.get("/names")
    def names() -> list[str]:
        app.logger.error("names were read")
        return list(db.session.scalars(select(User.username)))

    @app.post("/names")
    def write() -> str:
        app.logger.error("a name is being written")
        db.session.add(User(username="ada", password_hash="a hash"))
        db.session.commit()
        return "written"

    return app


@contextmanager
def held_in_its_transaction(app: Flask) -> Iterator[threading.Event]:
    """Stop the writer after it has deleted rows and before it commits; the event is set when it gets there."""
    inside, go_on = threading.Event(), threading.Event()

    def hold(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if threading.current_thread().name == "dblog-writer" and statement.startswith("DELETE FROM log_entry"):
            inside.set()
            go_on.wait(60)

    event.listen(engine_of(app), "after_cursor_execute", hold)
    try:
        yield inside
    finally:
        go_on.set()


def test_requests_do_not_wait_for_pruning(site: Flask) -> None:
    with site.app_context():
        one_file = SERVER.startswith("sqlite") and db.engine.url == db.engines["log"].url
    client = site.test_client()
    with ThreadPoolExecutor(1) as pool:
        with held_in_its_transaction(site) as inside:
            site.extensions["dblog"].writer.start()
            assert inside.wait(30)
            assert pool.submit(client.get, "/names").result(30).json == []
            written = pool.submit(client.post, "/names")
            if not one_file:
                assert written.result(30).text == "written"
            assert count(site) == 5, "it was in its transaction all the time"
        # An SQLite file takes one writer at a time, so the request has waited for these few rows.
        assert written.result(30).text == "written"
    assert client.get("/names").json == ["ada"]
    assert site.extensions["dblog"].writer.flush(20)
    assert check_counts(site) == 3


@contextmanager
def rows_locked_by_somebody(engine: Engine, rows: int) -> Iterator[None]:
    """Lock the oldest rows; SQLite cannot lock single rows, so there all of them are locked."""
    other = another_engine(engine.url)
    with other.connect() as connection:
        connection.execute(select(LogEntry.id).order_by(LogEntry.created_at).limit(rows).with_for_update()).all()
        yield
        connection.rollback()
    other.dispose()


@pytest.mark.skipif(SQLITE, reason="it locks no rows")
def test_rows_that_somebody_locked_are_passed_over(aged: Flask) -> None:
    engine = engine_of(aged)
    with rows_locked_by_somebody(engine, 15):
        assert prune_all(engine, 30) == 18
        with reading(aged) as log:
            assert log.scalar(select(func.sum(LogHour.count))) == 123, "an hour with rows may be before them"
    assert prune_all(engine, 30) == 15
    assert check_counts(aged) == 90


@pytest.mark.skipif(not SERVER.startswith(("mysql", "mariadb")), reason="about older versions of these")
@pytest.mark.parametrize("version", [(10, 5, 29), (5, 7, 44)])
def test_a_server_that_passes_nothing_over(aged: Flask, version: tuple[int, ...]) -> None:
    engine = engine_of(aged)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _connection, _cursor, sql, *_: statements.append(sql))
    dialect: Any = engine.dialect
    dialect.server_version_info, dialect.is_mariadb = version, version[0] == 10
    assert prune_all(engine, 30) == 33
    assert check_counts(aged) == 90
    assert any("FOR UPDATE" in statement for statement in statements)
    assert not any("SKIP LOCKED" in statement for statement in statements)


def test_a_prune_that_cannot_have_its_lock_gives_up(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    gave_up = threading.Event()

    def watched(engine: Engine, cutoff: datetime, decided_before: datetime) -> int | None:
        try:
            return prune(engine, cutoff, decided_before)
        finally:
            gave_up.set()

    monkeypatch.setattr(retention, "prune", watched)
    with rows_locked_by_somebody(engine_of(site), 5):
        site.logger.error("it wakes")
        assert gave_up.wait(30)
    # The writer tries again later; shipping records comes first.
    assert site.extensions["dblog"].writer.flush(20)
    assert check_counts(site) == 6


def test_a_place_in_a_journal_that_nobody_ships_goes_with_the_rows_of_its_time(log: Engine) -> None:
    cutoff = THIS_HOUR - 3 * DAY
    times = {"gone": cutoff - HOUR, "kept": cutoff}
    with Session(log) as session:
        session.add_all(LogPosition(journal=name, segment=1, offset=1, written_at=time) for name, time in times.items())
        session.commit()
    while prune(log, cutoff) is not None:
        pass
    with Session(log) as session:
        assert list(session.scalars(select(LogPosition.journal))) == ["kept"]
