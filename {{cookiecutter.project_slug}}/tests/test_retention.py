"""What is older than the log keeps goes, with its counts, a little at a time, and by one process at a time."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import Connection, Engine, event, text

from app.database import db, utcnow
from app.dblog import retention
from app.dblog.retention import Retention, new_holder, prune

from .log_rows import ERROR, put, row

DAY = timedelta(days=1)


@pytest.fixture
def aged(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Forty days of rows of four groups, pruned by ten a transaction."""
    monkeypatch.setattr(retention, "BATCH", 10)
    ages = [number * DAY / 3 for number in range(120, 0, -1)]
    put(
        app,
        *(
            row(f"m{number}", age=age, fingerprint=f"1-{number % 4}", level=30 + number % 2 * 10, **ERROR)
            for number, age in enumerate(ages)
        ),
        row("gone", age=39 * DAY, fingerprint="1-gone"),
        row("muted", age=39 * DAY, fingerprint="1-muted"),
    )
    with app.app_context(), db.engines["log"].begin() as connection:
        connection.execute(text("UPDATE log_group SET status = 'muted' WHERE fingerprint = '1-muted'"))
    return app


def engine_of(app: Flask) -> Engine:
    with app.app_context():
        return db.engines["log"]


def ask(app: Flask, question: str) -> list[tuple[object, ...]]:
    with app.app_context(), db.engines["log"].connect() as connection:
        return [tuple(answer) for answer in connection.execute(text(question))]


def check_counts(app: Flask) -> int:
    """All counts against the rows themselves; returns the number of rows."""
    ((rows,),) = ask(app, "SELECT COUNT(*) FROM log_entry")
    assert isinstance(rows, int)
    for table in ("log_group", "log_hour", "log_group_hour"):
        ((total,),) = ask(app, f"SELECT SUM(count) FROM {table}")
        assert int(str(total or 0)) == rows, table
        assert table == "log_group" or not ask(app, f"SELECT * FROM {table} WHERE count < 1")
    groups = ask(app, "SELECT fingerprint, COUNT(*) FROM log_entry GROUP BY fingerprint ORDER BY 1")
    assert ask(app, "SELECT fingerprint, count FROM log_group WHERE count > 0 ORDER BY 1") == groups
    return rows


def statuses(app: Flask) -> dict[object, object]:
    return {str(fingerprint): status for fingerprint, status in ask(app, "SELECT fingerprint, status FROM log_group")}


def test_prune_takes_rows_and_counts(aged: Flask) -> None:
    runner = aged.test_cli_runner()
    assert check_counts(aged) == 122
    dry = runner.invoke(args=["log", "prune", "--days", "30", "--dry-run"])
    assert dry.output == "33 rows are older than 30 days.\n"
    assert check_counts(aged) == 122
    commits: list[Connection] = []
    event.listen(engine_of(aged), "commit", commits.append)
    done = runner.invoke(args=["log", "prune", "--days", "30"])
    assert done.exit_code == 0, done.output
    assert "33 rows older than 30 days are gone." in done.output
    assert len(commits) == 4, "ten rows a transaction"
    assert check_counts(aged) == 89
    assert "1-gone" not in statuses(aged)
    assert statuses(aged)["1-muted"] == "muted", "or it would be open at its next row"
    again = runner.invoke(args=["log", "prune", "--days", "30"])
    assert again.output.endswith("0 rows older than 30 days are gone.\n")


def test_keeping_all(app: Flask, runner: FlaskCliRunner) -> None:
    app.config["LOG_RETENTION_DAYS"] = 0
    put(app, row(age=4000 * DAY))
    refused = runner.invoke(args=["log", "prune"])
    assert refused.exit_code == 2
    assert "--days" in refused.stderr
    assert Retention(engine_of(app), 0).step() > 0
    assert check_counts(app) == 1


def test_one_at_a_time_and_a_dead_one_blocks_nobody(aged: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, before = engine_of(aged), utcnow() - 30 * DAY
    dead, heir = new_holder(), new_holder()
    first = prune(engine, before, dead)
    assert first
    assert first.rows == 10
    assert prune(engine, before, heir) is None
    second = prune(engine, before, dead, first.reached)
    assert second
    assert second.rows == 10
    # It says no more; a minute later:
    later = utcnow() + retention.LEASE
    monkeypatch.setattr(retention, "utcnow", lambda: later)
    third = prune(engine, before, heir)
    assert third
    assert prune(engine, before, dead) is None
    fourth = prune(engine, before, heir, third.reached)
    assert fourth
    assert fourth.done
    # Done, so the next may begin at once.
    assert prune(engine, before, dead) is not None
    assert check_counts(aged) == 89


def test_many_at_once_count_right(aged: Flask) -> None:
    """Even with their leases out of order, as on hosts whose clocks differ."""
    engine, before = engine_of(aged), utcnow() - 10 * DAY

    def work() -> None:
        retention_of_a_process = Retention(engine, 10)
        for _ in range(40):
            retention_of_a_process.due = 0.0
            retention_of_a_process.step()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while (pruned := prune(engine, before, new_holder())) is None or not pruned.done:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM log_lease"))
    assert check_counts(aged) == 29


def test_the_writer_prunes(make_app: Callable[..., Flask], app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    put(app, *(row(age=20 * DAY) for _ in range(5)), row(age=DAY))
    second = make_app(LOG_RETENTION_DAYS=7)
    writer = second.extensions["dblog"].writer
    second.logger.error("it wakes")
    assert writer.flush(10)
    # It goes on by itself, in all the time that it has nothing else to do.
    end = time.monotonic() + 30
    while ask(second, "SELECT COUNT(*) FROM log_entry") != [(2,)] and time.monotonic() < end:
        time.sleep(0.01)
    assert check_counts(second) == 2
