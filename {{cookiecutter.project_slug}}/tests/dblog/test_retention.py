"""What is older than the log keeps goes, with its counts, a little at a time, and by one process at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from flask_migrate import upgrade
from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text

from app.accounts.models import User
from app.database import db, engine_options, utcnow
from app.dblog.models import LogLease
from app.dblog.store import retention
from app.dblog.store.retention import Retention, new_holder, prune
from app.sqlite import set_up_sqlite

from ..conftest import SERVER
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
        connection.execute(text("UPDATE log_problem SET status = 'muted' WHERE fingerprint = '1-muted'"))
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
    for table in ("log_problem", "log_hour", "log_problem_hour"):
        ((total,),) = ask(app, f"SELECT SUM(count) FROM {table}")
        assert int(str(total or 0)) == rows, table
        assert table == "log_problem" or not ask(app, f"SELECT * FROM {table} WHERE count < 1")
    groups = ask(app, "SELECT fingerprint, COUNT(*) FROM log_entry GROUP BY fingerprint ORDER BY 1")
    assert ask(app, "SELECT fingerprint, count FROM log_problem WHERE count > 0 ORDER BY 1") == groups
    return rows


def statuses(app: Flask) -> dict[object, object]:
    return {str(fingerprint): status for fingerprint, status in ask(app, "SELECT fingerprint, status FROM log_problem")}


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


def test_longer_than_there_are_dates_does_not_end_the_writer(app: Flask) -> None:
    """Where the log is carried to, another configuration may let this pass."""
    retention = Retention(engine_of(app), 999_999)
    retention.due = 0.0
    assert retention.step() > 0


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


@pytest.fixture(params=["two databases", "one database"])
def site(
    request: pytest.FixtureRequest,
    make_app: Callable[..., Flask],
    database_urls: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Flask:
    """It has old rows, which its writer prunes as soon as it starts: at the first request or record."""
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
    """The writer stops when it has deleted rows and not yet committed; the event says that it has got there."""
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
            assert ask(site, "SELECT COUNT(*) FROM log_entry") == [(5,)], "it was in its transaction all the time"
        # An SQLite file takes one writer at a time: there it has waited for these few rows.
        assert written.result(30).text == "written"
    assert client.get("/names").json == ["ada"]
    assert site.extensions["dblog"].writer.flush(20)
    assert check_counts(site) == 3


@contextmanager
def lease_locked_by_somebody(engine: Engine) -> Iterator[None]:
    other = create_engine(engine.url, **engine_options(engine.url))
    set_up_sqlite(other)
    lease = {"name": retention.NAME, "holder": "somebody", "expires_at": utcnow()}
    with other.connect() as connection:
        connection.execute(insert(LogLease), lease)
        yield
        connection.rollback()
    other.dispose()


def test_a_prune_that_cannot_have_its_lock_gives_up(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    gave_up = threading.Event()

    def watched(*arguments: object) -> object:
        try:
            return prune(*arguments)  # type: ignore[arg-type]  # passed on as they came
        except Exception:
            gave_up.set()
            raise

    monkeypatch.setattr(retention, "prune", watched)
    with lease_locked_by_somebody(engine_of(site)):
        site.logger.error("it wakes")
        assert gave_up.wait(30)
    # It comes back to that later; what the writer is for goes first.
    assert site.extensions["dblog"].writer.flush(20)
    assert check_counts(site) == 6
