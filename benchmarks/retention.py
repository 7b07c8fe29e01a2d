# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "alembic>=1.20.1,<2",
#     "concurrent-log-handler>=0.9.31,<1",
#     "Flask>=3.1.3,<4",
#     "Flask-Limiter>=4.1.1,<5",
#     "Flask-Login>=0.6.3,<1",
#     "Flask-Migrate>=4.1,<5",
#     "Flask-SQLAlchemy>=3.1.1,<4",
#     "Flask-WTF>=1.3,<2",
#     "orjson>=3.13,<4",
#     "portalocker>=4.4,<5",
#     "psycopg[binary]>=3.3,<4",
#     "PyMySQL[rsa]>=1.2,<2",
#     "python-dotenv>=1.2,<2",
#     "SQLAlchemy>=2.1.9,<3",
#     "WTForms>=3.3,<4",
#     "zxcvbn>=4.5,<5",
# ]
# ///
"""Measure how quickly old rows are deleted, and what requests notice: `uv run benchmarks/retention.py`, a quarter of an
hour.

For each database the writer's steps prune 100,000 rows of 1,000 a second to the end, without a pause: rows of 3,000
problems (templates), rows that each have a problem of their own (f-strings), and the same after LOG_MAX_PROBLEMS has
dropped nine tenths of these problems. The driver alone deletes the same rows by their keys, in transactions of the same
size. Then requests log 1,000 rows a second, and by turns the writer prunes as many at its own pace, or none. The script
prints two tables in Markdown.
"""

import argparse
import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from sqlalchemy import text
from viewer import PROJECT, SERVERS, filled_app, see
from viewer_rows import count_rows

ROWS, KEPT_DAYS = 400_000, 3
ROWS_A_SECOND, ROWS_A_REQUEST = 1_000, 10
TURNS, TURN_SECONDS = 8, 10.0
SPEED_ROWS, STEP_ROWS, KEPT_PROBLEMS = 100_000, 200, 10_000
DAY_SECONDS = 86_400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", nargs="+", choices=["sqlite", *SERVERS], default=["sqlite", *SERVERS])
    parser.add_argument("--rows", type=int, default=ROWS)
    chosen = parser.parse_args()
    sys.path.insert(0, str(PROJECT))
    # The log is to trust the clock from the start of the measurement on.
    retention: Any = import_module("app.dblog.store.retention")
    retention.EVEN_SECONDS = 0.0
    print("| deleted a second | templates | f-strings | ratio | dropped | driver, templates | f-strings | ratio |")
    print("|---|" + "---:|" * 7)
    for name in chosen.database:
        templates, each_its_own = speed(name, prune_all), speed(name, prune_all, one_problem_a_row)
        dropped = speed(name, prune_all, one_problem_a_row, drop_problems)
        bare = speed(name, delete_by_keys), speed(name, delete_by_keys, one_problem_a_row)
        cells = [f"{templates:,.0f}", f"{each_its_own:,.0f}", f"{each_its_own / templates:.2f}", f"{dropped:,.0f}"]
        cells += [f"{bare[0]:,.0f}", f"{bare[1]:,.0f}", f"{bare[1] / bare[0]:.2f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print("\n| database | logged a second | and deleted | p99 of a request | only logged | ratio |")
    print("|---|" + "---:|" * 5)
    for name in chosen.database:
        with scratch_log(name, chosen.rows) as (app, engine):
            app.add_url_rule("/write", view_func=write)
            logged, deleted, with_it, without = under_load(app, engine)
            cells = [f"{logged:,.0f}", f"{deleted:,.0f}", f"{with_it:.1f} ms", f"{without:.1f} ms"]
            print(f"| {name} | {' | '.join(cells)} | {with_it / without:.2f} |", flush=True)


@contextmanager
def scratch_log(name: str, rows: int) -> Iterator[tuple[Any, Any]]:
    with filled_app(name, rows, rows / ROWS_A_SECOND / DAY_SECONDS) as app, app.app_context():
        yield app, import_module("app.database").db.engines["log"]


def write() -> str:
    """A request writes to the application's database, and logs."""
    db = import_module("app.database").db
    db.session.execute(text("UPDATE users SET email = 'ada@example.org' WHERE username = 'admin'"))
    db.session.commit()
    for number in range(ROWS_A_REQUEST):
        logging.getLogger("benchmark").warning("written %s", number)
    return "written"


def under_load(app: Any, engine: Any) -> tuple[float, float, float, float]:
    """Return the rows logged and deleted a second when both happen, and the p99 in ms with and without pruning."""
    retention: Any = import_module("app.dblog.store.retention")
    limits = import_module("app.dblog.limits")
    writer, client = app.extensions["dblog"].writer, app.test_client()
    times: dict[bool, list[float]] = {True: [], False: []}
    round_seconds = retention.ROUND_SECONDS
    # Turns are short, so the writer looks for old rows more often than usual.
    retention.LOOK_SECONDS = 1.0
    logged = deleted = seconds = 0.0
    see(client, "/write")
    for turn in range(2 * TURNS):
        prunes = turn % 2 == 1
        cutoff = retention.find_cutoff(engine, KEPT_DAYS, 0)
        with engine.connect() as connection:
            # The old rows stand for so many seconds of logging; an ordinary round deletes what an hour has made old.
            hour = limits.estimate_older(connection, cutoff) / ROWS_A_SECOND
        retention.ROUND_SECONDS = round_seconds / 3600 * hour
        writer._retention = retention.Retention(engine, KEPT_DAYS if prunes else 0, 0)
        writer._retention.due = 0.0
        before, started = retention.count_older(engine, cutoff), time.monotonic()
        during = requests_until(client, started + TURN_SECONDS)
        times[prunes] += during
        writer._retention = retention.Retention(engine, 0, 0)
        took = time.monotonic() - started
        if prunes:
            seconds += took
            deleted += before - retention.count_older(engine, cutoff)
            logged += len(during) * ROWS_A_REQUEST
    retention.ROUND_SECONDS = round_seconds
    if not writer.flush(60):
        raise SystemExit("Not all records have arrived.")
    return logged / seconds, deleted / seconds, p99(times[True]), p99(times[False])


def requests_until(client: Any, end: float) -> list[float]:
    """Return the duration in ms of each request; they begin at even intervals."""
    times, following = [], time.monotonic()
    while (now := time.monotonic()) < end:
        time.sleep(max(0.0, following - now))
        following += ROWS_A_REQUEST / ROWS_A_SECOND
        started = time.perf_counter()
        see(client, "/write")
        times.append((time.perf_counter() - started) * 1000)
    return times


def p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def speed(name: str, delete: Callable[[Any], None], *prepare: Callable[[Any], None]) -> float:
    """Return the rows a second that are deleted."""
    with scratch_log(name, SPEED_ROWS) as (_app, engine):
        for change in prepare:
            change(engine)
        started = time.monotonic()
        delete(engine)
        return SPEED_ROWS / (time.monotonic() - started)


def prune_all(engine: Any) -> None:
    """Take the writer's steps without a pause until nothing is left."""
    retention: Any = import_module("app.dblog.store.retention")
    pruner = retention.Retention(engine, KEPT_DAYS, 0)
    pruner.due = 0.0
    while pruner.step() <= retention.RETRY_SECONDS:
        pruner.due = 0.0


def delete_by_keys(engine: Any) -> None:
    """Let the driver alone delete the rows, and with a problem for each row also the problems with all they have."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, fingerprint FROM log_entry ORDER BY created_at")).all()
        problems = connection.scalar(text("SELECT COUNT(*) FROM log_problem"))
    tables = ("log_problem", "log_problem_user", "log_problem_hour", "log_problem_day") if problems == len(rows) else ()
    driver = engine.raw_connection()
    cursor = driver.cursor()

    def delete(table: str, column: str, keys: list[Any]) -> None:
        if engine.dialect.name == "postgresql":
            cursor.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", (keys,))
        else:
            mark = "?" if engine.dialect.name == "sqlite" else "%s"
            cursor.execute(f"DELETE FROM {table} WHERE {column} IN ({', '.join([mark] * len(keys))})", keys)

    for start in range(0, len(rows), STEP_ROWS):
        some = rows[start : start + STEP_ROWS]
        if engine.dialect.name == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        delete("log_entry", "id", [row.id for row in some])
        for table in tables:
            delete(table, "fingerprint", sorted(row.fingerprint for row in some))
        driver.commit()
    driver.close()


def drop_problems(engine: Any) -> None:
    retention: Any = import_module("app.dblog.store.retention")
    while retention.drop_problems(engine, KEPT_PROBLEMS):
        pass


def one_problem_a_row(engine: Any) -> None:
    """Give every row a problem of its own."""
    dialect = engine.dialect.name.replace("mariadb", "mysql")
    own = "CONCAT('own-', id)" if dialect == "mysql" else "'own-' || id"
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE log_entry SET fingerprint = {own}"))
        count_rows(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        analyse = {"postgresql": "VACUUM ANALYZE", "mysql": "ANALYZE TABLE log_entry, log_problem, log_problem_hour"}
        connection.execute(text(analyse.get(dialect, "SELECT 1")))


if __name__ == "__main__":
    main()
