"""A storm of one problem leaves few rows, and its counts are exact whatever happens to the writer."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import Connection, Engine, event, func, select
from sqlalchemy.exc import DBAPIError

from app.accounts.models import User
from app.config import PROJECT
from app.dblog.models import LogEntry, LogHour, LogPosition, LogProblem, LogProblemHour
from app.dblog.store.storms import ASKED_EVERY
from app.dblog.store.writer import Writer
from app.dblog.viewer.status import report
from tests.conftest import login

from .journals import MB, counts, crash, line, numbers, ship, ship_all, write

#: All records of the storm have these fields.
SAME: dict[str, Any] = {"template": "number %s"}


def without_row(log: Engine) -> list[int]:
    with log.connect() as connection:
        return [int(connection.scalar(select(func.sum(table.without_row))) or 0) for table in (LogHour, LogProblemHour)]


def places(log: Engine) -> int:
    with log.connect() as connection:
        return connection.scalar(select(func.count()).select_from(LogPosition)) or 0


def check(log: Engine, records: int, most_rows: int) -> None:
    """Check that each record is counted once, and that the number of those without a row is right."""
    rows, *sums = counts(log)
    assert sums == [records] * 3
    assert rows is not None
    assert rows == len(set(numbers(log))) <= most_rows
    assert without_row(log) == [records - rows] * 2


def test_one_in_a_hundred_is_stored_and_all_are_counted(make_writer: Callable[..., Writer], log: Engine) -> None:
    writer = make_writer(storm_rows=50)
    write(writer, range(1, 1_201), **SAME)
    write(writer, range(2_001, 2_011))
    assert writer.flush(60)
    stored = [*range(1, 51), *range(100, 1_201, 100), *range(2_001, 2_011)]
    assert numbers(log) == stored
    check(log, 1_210, len(stored))
    ship(writer)
    assert places(log) == 0, "it goes with the journal"


def test_an_hour_that_ends_ends_the_storm(make_writer: Callable[..., Writer], log: Engine) -> None:
    writer = make_writer(storm_rows=50)
    hours = [time.time() - 3_600 * age for age in (3, 2, 1)]
    for number, moment in enumerate(hours):
        write(writer, range(number * 60, number * 60 + 60), **SAME, time=moment)
    assert writer.flush(60)
    check(log, 180, 150)
    ship(writer)


def test_several_writers_agree_on_the_threshold(make_writer: Callable[..., Writer], log: Engine) -> None:
    writers = [make_writer(storm_rows=50) for _ in range(3)]
    for number, writer in enumerate(writers):
        write(writer, range(number * 2_000, number * 2_000 + 2_000), **SAME)
    threads = [threading.Thread(target=writer.flush, args=(60,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each writer may store the batch that it has begun; of the rest it stores one in a hundred.
    check(log, 6_000, 3 * (50 + 60))
    for writer in writers:
        ship(writer)


def test_the_database_is_asked_only_near_the_threshold(make_writer: Callable[..., Writer], log: Engine) -> None:
    """While a problem is far below the threshold, the writer does not read its counts with each batch."""
    asked: list[str] = []

    @event.listens_for(log, "before_cursor_execute")
    def note(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and "FROM log_problem_hour" in statement:
            asked.append(statement)

    writer = make_writer(max_bytes=100 * MB, storm_rows=1_000_000)
    write(writer, range(10_000), **SAME)
    start = time.monotonic()
    assert writer.flush(60)
    assert 1 <= len(asked) <= (time.monotonic() - start) / ASKED_EVERY + 2
    check(log, 10_000, 10_000)
    ship(writer)


def test_a_storm_of_another_process_is_noticed(make_writer: Callable[..., Writer], log: Engine) -> None:
    calm, busy = (make_writer(max_bytes=100 * MB, storm_rows=10_000) for _ in range(2))
    write(calm, range(1), **SAME)
    assert calm.flush(20)
    write(busy, range(1, 10_500), **SAME)
    assert busy.flush(60)
    number, end = 10_500, time.monotonic() + 60
    before = without_row(log)
    while without_row(log) == before:
        assert time.monotonic() < end
        write(calm, range(number, number + 1), **SAME)
        number += 1
        assert calm.flush(20)
    assert number < 10_500 + 4_900, "before the room that it had is used up"
    check(log, number, number)
    for writer in (calm, busy):
        ship(writer)


def test_many_problems_in_a_batch(make_writer: Callable[..., Writer], log: Engine) -> None:
    """A flood of different problems has a row for each, and does not hide a storm among them."""
    writer = make_writer(storm_rows=20)
    for number in range(600):
        write(writer, range(number, number + 1))
        write(writer, range(1_000 + number, 1_001 + number), **SAME)
    assert writer.flush(60)
    check(log, 1_200, 600 + 20 + 6)
    ship(writer)


def test_a_replay_counts_nothing_again(make_writer: Callable[..., Writer], folder: Path, log: Engine) -> None:
    """The database stored all records, but the process died before it saved that in the state."""
    dead = make_writer(storm_rows=50)
    write(dead, range(1_600), **SAME)
    (state,) = folder.glob("*.state")
    before = state.read_bytes()
    (segment,) = folder.glob("*.jsonl")
    content = segment.read_bytes()
    assert dead.flush(20)
    check(log, 1_600, 70)
    state.write_bytes(before)
    segment.write_bytes(content + line(1_600, **SAME))
    crash(dead)
    ship_all(make_writer(storm_rows=50))
    check(log, 1_601, 70)
    assert places(log) == 0


def test_a_replay_with_another_threshold(make_writer: Callable[..., Writer], folder: Path, log: Engine) -> None:
    dead = make_writer(storm_rows=50)
    write(dead, range(600), **SAME)
    (state,) = folder.glob("*.state")
    before = state.read_bytes()
    assert dead.flush(20)
    state.write_bytes(before)
    crash(dead)
    ship_all(make_writer(storm_rows=0))
    check(log, 600, 60)


def lose_answers(log: Engine, every: int) -> list[int]:
    """Let every n-th commit succeed but seem to fail; return the list of commits."""
    commits: list[int] = []

    def lose(connection: Connection) -> None:
        commits.append(1)
        if len(commits) % every == 0:
            driver: Any = connection.connection.dbapi_connection
            if log.dialect.name == "sqlite":
                # SQLAlchemy rolls back next, which needs a transaction.
                driver.commit()
                driver.execute("BEGIN")
            else:
                driver.commit()
            raise DBAPIError("COMMIT", None, Exception("the answer is lost"), connection_invalidated=True)

    event.listen(log, "commit", lose)
    return commits


@pytest.mark.parametrize("every", [2, 3])
def test_a_commit_whose_answer_is_lost(make_writer: Callable[..., Writer], log: Engine, every: int) -> None:
    writer = make_writer(storm_rows=50)
    write(writer, range(3_000), **SAME)
    lose_answers(log, every)
    assert writer.flush(60)
    check(log, 3_000, 80)
    ship(writer)


def test_a_commit_whose_answer_is_lost_while_records_wait_in_memory(
    make_writer: Callable[..., Writer], folder: Path, log: Engine
) -> None:
    folder.write_text("the journal cannot be written")
    writer = make_writer(storm_rows=50)
    write(writer, range(3_000), **SAME)
    assert len(writer.journal.memory) == 3_000
    lose_answers(log, 2)
    end = time.monotonic() + 60
    while writer.journal.memory:
        writer.flush(5)
        assert time.monotonic() < end
    check(log, 3_000, 80)
    assert places(log) == 1
    ship(writer)


HEIR = "from app import create_app, dblog; create_app(); dblog.flush(100)"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_heirs_that_are_killed_while_they_ship(
    app: Flask, make_writer: Callable[..., Writer], folder: Path, log: Engine, environment: dict[str, str]
) -> None:
    dead = make_writer(max_bytes=100 * MB, storm_rows=50)
    write(dead, range(12_000), **SAME)
    crash(dead)
    settings = environment | {"LOG_JOURNAL_DIR": str(folder), "LOG_STORM_ROWS": "50"}
    kills = 0
    end = time.monotonic() + 240
    while list(folder.glob("*.jsonl")):
        assert time.monotonic() < end
        before = counts(log)[1] or 0
        with subprocess.Popen([sys.executable, "-c", HEIR], cwd=PROJECT, env=settings) as heir:
            while heir.poll() is None and kills < 4:
                if (counts(log)[1] or 0) > before + 500 * kills:
                    heir.kill()
                    kills += 1
                time.sleep(0.01)
    assert kills
    check(log, 12_000, 170)
    assert places(log) == 0


def test_pages_and_status_tell_records_from_rows(
    app: Flask,
    client: FlaskClient,
    runner: FlaskCliRunner,
    admin: User,
    make_writer: Callable[..., Writer],
    log: Engine,
) -> None:
    writer = make_writer(storm_rows=50)
    write(writer, range(1, 301), **SAME)
    assert writer.flush(60)
    login(client, admin)
    with log.connect() as connection:
        [problem] = connection.scalars(select(LogProblem.id)).all()
    page = client.get(f"/logs/problems/{problem}").text
    assert "<dt>records</dt><dd>300</dd>" in page
    assert "<dt>without a row</dt><dd>247</dd>" in page
    assert "one in a hundred" in page
    assert "<strong>53</strong> rows" in client.get("/logs?since=2h").text
    assert client.get("/logs.jsonl?since=2h").text.count("\n") == 53
    with app.app_context():
        facts = report(app.extensions["dblog"], 40)
    assert (facts["rows"], facts["records_without_row"], facts["rows_above_limit"]) == (53, 247, 13)
    assert "<dt>Records counted without a row (LOG_STORM_ROWS)</dt><dd>247</dd>" in client.get("/logs/status").text
    said = runner.invoke(args=["log", "status"]).stdout
    assert "records without row  247\n" in said
    assert "storm  247 without row: number %s\n" in said
    ship(writer)


def test_a_problem_without_a_storm_says_nothing_of_it(
    client: FlaskClient, admin: User, make_writer: Callable[..., Writer], log: Engine
) -> None:
    writer = make_writer(storm_rows=50)
    write(writer, range(1, 51), **SAME)
    assert writer.flush(60)
    login(client, admin)
    with log.connect() as connection:
        [problem] = connection.scalars(select(LogEntry.fingerprint).distinct()).all()
        number = connection.scalar(select(LogProblem.id).where(LogProblem.fingerprint == problem))
    assert "without a row" not in client.get(f"/logs/problems/{number}").text
    assert places(log) == 0
    ship(writer)
