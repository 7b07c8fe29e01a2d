"""Records a second from the log call to the committed row, and rows a second with the bare driver.

throughput.report() starts this in a process for each round: `python throughput.py FOLDER`, its environment set.
"""

import contextlib
import importlib
import json
import logging
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from shared import databases, migrate, print_table, scratch_postgresql

RECORDS = 20_000
BATCH = 500
ROUNDS = 3


def records_a_second(log_url: str) -> tuple[float, float]:
    """From the first log call to the last commit; and from the end of an outage until all its records are in."""
    app_package = importlib.import_module("app")
    app = app_package.create_app()
    with app.test_request_context("/somewhere"):
        app.preprocess_request()
        start = time.perf_counter()
        log_all()
        ship(app_package.dblog)
        together = time.perf_counter() - start
        with outage(log_url):
            log_all()
        start = time.perf_counter()
        ship(app_package.dblog)
        return RECORDS / together, RECORDS / (time.perf_counter() - start)


def log_all() -> None:
    error = logging.getLogger("bench").error
    for number in range(RECORDS):
        error("x %s", number)


def ship(dblog: Any) -> None:
    if not dblog.flush(60):
        sys.exit("not shipped within a minute")


@contextlib.contextmanager
def outage(log_url: str) -> Iterator[None]:
    """Somebody holds the lock that the writer needs."""
    if log_url.startswith("sqlite"):
        connection: Any = sqlite3.connect(log_url.removeprefix("sqlite:///"))
        lock = "BEGIN IMMEDIATE"
    else:
        connection, lock = psycopg.connect(log_url), "LOCK TABLE log_entry"
    with contextlib.closing(connection):
        connection.execute(lock)
        yield
        connection.rollback()


def raw(connection: Any, mark: str, copy: str) -> float:
    """Rows a second when the driver inserts the same rows into a table with the same columns and indexes."""
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM log_entry ORDER BY id LIMIT {RECORDS}")
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    connection.commit()
    if len(rows) != RECORDS:
        sys.exit(f"{len(rows)} rows of {RECORDS}")
    statement = f"INSERT INTO {copy} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"
    start = time.perf_counter()
    for first in range(0, RECORDS, BATCH):
        cursor.executemany(statement, rows[first : first + BATCH])
        connection.commit()
    return RECORDS / (time.perf_counter() - start)


def raw_sqlite(folder: Path) -> float:
    with contextlib.closing(sqlite3.connect(folder / "log.db")) as connection:
        connection.execute("ATTACH ? AS bare", (str(folder / "bare.db"),))
        connection.execute("PRAGMA bare.journal_mode=WAL")
        connection.execute("PRAGMA bare.synchronous=NORMAL")
        for kind in ("table", "index"):
            query = "SELECT sql FROM main.sqlite_master WHERE tbl_name = 'log_entry' AND type = ? AND sql IS NOT NULL"
            for (definition,) in connection.execute(query, (kind,)).fetchall():
                connection.execute(definition.replace(f"CREATE {kind.upper()} ", f"CREATE {kind.upper()} bare.", 1))
        return raw(connection, "?", "bare.log_entry")


def raw_postgresql(url: str) -> float:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE bare (LIKE log_entry INCLUDING ALL)")
        return raw(connection, "%s", "bare")


def report(project: Path, scratch: Path) -> None:
    rows = []
    for name in ("SQLite", "PostgreSQL"):
        figures = []
        for number in range(ROUNDS):
            folder = scratch / f"throughput-{name}-{number}"
            with server(name) as settings:
                env = databases(project, folder, scratch / "migrated") | settings
                if settings:
                    migrate(project, env)
                done = subprocess.run(
                    [sys.executable, __file__, folder], cwd=project, env=env, check=True, stdout=subprocess.PIPE
                )
            figures.append(json.loads(done.stdout))
        together, backlog, bare = (statistics.median(column) for column in zip(*figures, strict=True))
        shares = [statistics.median(row[column] / row[2] for row in figures) for column in (0, 1)]
        cells = [f"{rate:,.0f} ({share:.0%})" for rate, share in zip((together, backlog), shares, strict=True)]
        rows.append([name, *cells, f"{bare:,.0f}"])
    print_table(
        f"Records a second, {RECORDS:,} of them, in batches of {BATCH} (share of what the bare driver does):",
        ["database", "from log call to committed row", "the backlog of an outage", "the driver's `executemany`"],
        rows,
    )


@contextlib.contextmanager
def server(name: str) -> Iterator[dict[str, str]]:
    """The settings that put the log on a scratch database of that server; none for SQLite."""
    if name == "SQLite":
        yield {}
        return
    with scratch_postgresql() as url:
        yield {"LOG_DATABASE_URL": url}


def main() -> None:
    log_url = os.environ["LOG_DATABASE_URL"]
    rates = records_a_second(log_url)
    bare = raw_sqlite(Path(sys.argv[1])) if log_url.startswith("sqlite") else raw_postgresql(log_url)
    print(json.dumps([*rates, bare]))


if __name__ == "__main__":
    main()
