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

For each database one process has a scratch log of old rows, 1,000 of each second. First its requests log 1,000 rows a
second, and by turns the writer prunes as many at its own pace, or none. Then the script takes the writer's steps
without a pause: with rows of 3,000 problems (templates), and with rows that each have a problem of their own
(f-strings). It prints a table in Markdown.
"""

import argparse
import logging
import statistics
import sys
import time
from importlib import import_module
from typing import Any

from sqlalchemy import text
from viewer import PROJECT, SERVERS, filled_app, see
from viewer_rows import count_rows

ROWS, KEPT_DAYS = 400_000, 3
ROWS_A_SECOND, ROWS_A_REQUEST = 1_000, 10
TURNS, TURN_SECONDS = 8, 10.0
SPEED_SECONDS = 10.0
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
    print(
        "| database | deleted a second, templates | f-strings | logged a second | and deleted | p99 of a request |",
        end="",
    )
    print(" only logged | ratio |\n|---|" + "---:|" * 7)
    for name in chosen.database:
        with filled_app(name, chosen.rows, chosen.rows / ROWS_A_SECOND / DAY_SECONDS) as app, app.app_context():
            engine = import_module("app.database").db.engines["log"]
            app.add_url_rule("/write", view_func=write)
            print(f"| {name} | {' | '.join(figures(app, engine))} |", flush=True)


def figures(app: Any, engine: Any) -> list[str]:
    logged, deleted, with_it, without = under_load(app, engine)
    templates = speed(engine)
    one_problem_a_row(engine)
    each_its_own = speed(engine)
    numbers = [f"{number:,.0f}" for number in (templates, each_its_own, logged, deleted)]
    return [*numbers, f"{with_it:.1f} ms", f"{without:.1f} ms", f"{with_it / without:.2f}"]


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


def speed(engine: Any) -> float:
    """Return the rows a second that steps without a pause delete."""
    retention: Any = import_module("app.dblog.store.retention")
    cutoff = retention.find_cutoff(engine, KEPT_DAYS, 0)
    before, started = retention.count_older(engine, cutoff), time.monotonic()
    pruner = retention.Retention(engine, KEPT_DAYS, 0)
    while (seconds := time.monotonic() - started) < SPEED_SECONDS:
        pruner.due = 0.0
        if pruner.step() > retention.RETRY_SECONDS:
            break
    return float(before - retention.count_older(engine, cutoff)) / seconds


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
