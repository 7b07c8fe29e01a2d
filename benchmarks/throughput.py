"""Measure records a second from the log call to the committed row, and rows a second with the bare driver.

throughput.report() sets the environment and starts `python throughput.py FOLDER` for each round, and then several
processes at once without FOLDER.
"""

import contextlib
import importlib
import json
import logging
import logging.handlers
import os
import queue
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
from shared import databases, migrate, print_table, scratch_postgresql

RECORDS = 20_000
BATCH, TOGETHER = 500, 100
ROUNDS = 5
PROCESSES = 2


def records_a_second(log_url: str) -> tuple[float, float, float]:
    """Return records a second from the first log call to the last commit, of an outage's calls, and of its backlog."""
    app_package = importlib.import_module("app")
    app = app_package.create_app()
    with app.test_request_context("/somewhere"):
        app.preprocess_request()
        start = time.perf_counter()
        log_all()
        ship(app_package.dblog)
        together = time.perf_counter() - start
        with outage(log_url):
            start = time.perf_counter()
            log_all()
            calls = time.perf_counter() - start
        start = time.perf_counter()
        ship(app_package.dblog)
        return RECORDS / together, RECORDS / calls, RECORDS / (time.perf_counter() - start)


def log_all() -> None:
    error = logging.getLogger("bench").error
    for number in range(RECORDS):
        error("x %s", number)


def one_of_several() -> None:
    """Log and ship when a line arrives on stdin; say on stdout when the process is ready, and when all rows are
    committed.
    """
    app_package = importlib.import_module("app")
    app = app_package.create_app()
    with app.test_request_context("/somewhere"):
        app.preprocess_request()
        print("ready", flush=True)
        sys.stdin.readline()
        log_all()
        ship(app_package.dblog)
        print("shipped", flush=True)


def of_several(project: Path, env: dict[str, str]) -> float:
    """Return the records a second of several processes with one database, from first log call to last commit."""
    with contextlib.ExitStack() as stack:
        start = partial(subprocess.Popen, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes = [
            stack.enter_context(start([sys.executable, __file__], cwd=project, env=env)) for _ in range(PROCESSES)
        ]
        hear_from_all(processes, "ready")
        began = time.perf_counter()
        for process in processes:
            print("go", file=process.stdin, flush=True)
        hear_from_all(processes, "shipped")
        return PROCESSES * RECORDS / (time.perf_counter() - began)


def hear_from_all(processes: Sequence[Any], word: str) -> None:
    for process in processes:
        if process.stdout.readline().strip() != word:
            sys.exit(f"a process ended before it was {word}")


def ship(dblog: Any) -> None:
    if not dblog.flush(60):
        sys.exit("not shipped within a minute")


@contextlib.contextmanager
def outage(log_url: str) -> Iterator[None]:
    """Hold the lock that the writer needs."""
    if log_url.startswith("sqlite"):
        connection: Any = sqlite3.connect(log_url.removeprefix("sqlite:///"))
        lock = "BEGIN IMMEDIATE"
    else:
        connection, lock = psycopg.connect(log_url), "LOCK TABLE log_entry"
    with contextlib.closing(connection):
        connection.execute(lock)
        yield
        connection.rollback()


def bare(connection: Any, mark: str, copies: tuple[str, str]) -> tuple[float, float]:
    """Measure the rows a second when the driver inserts the same rows into tables with the same columns and indexes.

    First they come from a queue that log calls of the same process fill, and are inserted in the driver's quickest way:
    no handler can be faster, since its thread and the callers share one interpreter lock. Then `executemany` inserts
    them with nothing else to do.
    """
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM log_entry ORDER BY id LIMIT {RECORDS}")
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    connection.commit()
    if len(rows) != RECORDS:
        sys.exit(f"{len(rows)} rows of {RECORDS}")
    values = f"({', '.join([mark] * len(names))})"
    queued, alone = (f"INSERT INTO {copy} ({', '.join(names)}) VALUES {values}" for copy in copies)

    def insert_quickly(batch: list[Any]) -> None:
        if mark == "?":
            # sqlite3 waits for the interpreter after each statement; psycopg does not.
            many = queued + f", {values}" * (TOGETHER - 1)
            for first in range(0, BATCH, TOGETHER):
                cursor.execute(many, [*chain.from_iterable(batch[first : first + TOGETHER])])
        else:
            cursor.executemany(queued, batch)
        connection.commit()

    start = time.perf_counter()
    with listening(PreparedRows(insert_quickly, rows)):
        log_all()
    together = time.perf_counter() - start
    start = time.perf_counter()
    for first in range(0, RECORDS, BATCH):
        cursor.executemany(alone, rows[first : first + BATCH])
        connection.commit()
    return RECORDS / together, RECORDS / (time.perf_counter() - start)


class PreparedRows(logging.Handler):
    """A handler that does the least that one can do: for each record it inserts the next prepared row, whatever the
    record is.
    """

    def __init__(self, insert: Callable[[list[Any]], None], rows: list[Any]) -> None:
        super().__init__()
        self.insert, self.rows = insert, iter(rows)
        self.batch: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.batch.append(next(self.rows))
        if len(self.batch) == BATCH:
            self.insert(self.batch)
            self.batch.clear()


@contextlib.contextmanager
def listening(handler: logging.Handler) -> Iterator[None]:
    """Put the standard library's queue and its thread between the log calls and this handler."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(waiting, handler)
    logging.getLogger().handlers = [logging.handlers.QueueHandler(waiting)]
    listener.start()
    yield
    listener.stop()


def bare_sqlite(folder: Path) -> tuple[float, float]:
    with contextlib.closing(sqlite3.connect(folder / "log.db", check_same_thread=False)) as connection:
        for copy in ("queued", "alone"):
            connection.execute(f"ATTACH ? AS {copy}", (str(folder / f"{copy}.db"),))
            connection.execute(f"PRAGMA {copy}.journal_mode=WAL")
            connection.execute(f"PRAGMA {copy}.synchronous=NORMAL")
            for kind in ("table", "index"):
                query = "SELECT sql FROM main.sqlite_master WHERE tbl_name = 'log_entry' AND type = ?"
                for (definition,) in connection.execute(f"{query} AND sql IS NOT NULL", (kind,)).fetchall():
                    create = f"CREATE {kind.upper()} "
                    connection.execute(definition.replace(create, f"{create}{copy}.", 1))
        return bare(connection, "?", ("queued.log_entry", "alone.log_entry"))


def bare_postgresql(url: str) -> tuple[float, float]:
    with psycopg.connect(url) as connection:
        for copy in ("queued", "alone"):
            connection.execute(f"CREATE TABLE {copy} (LIKE log_entry INCLUDING ALL)".encode())
        return bare(connection, "%s", ("queued", "alone"))


def report(project: Path, scratch: Path) -> None:
    rows = []
    for name in ("SQLite", "PostgreSQL"):
        figures = []
        for number in range(ROUNDS):
            folder = scratch / f"throughput-{name}-{number}"
            with database(name, project, folder, scratch / "migrated") as env:
                done = subprocess.run(
                    [sys.executable, __file__, folder], cwd=project, env=env, check=True, stdout=subprocess.PIPE
                )
            with database(name, project, folder / "several", scratch / "migrated") as env:
                several = of_several(project, env)
            figures.append([several, *json.loads(done.stdout)])
        *rates, alone = (statistics.median(column) for column in zip(*figures, strict=True))
        shares = (statistics.median(row[column] / row[-1] for row in figures) for column in range(len(rates)))
        cells = [f"{rate:,.0f} ({share:.0%})" for rate, share in zip(rates, shares, strict=True)]
        rows.append([name, *cells, f"{alone:,.0f}"])
    print_table(
        f"Records a second, {RECORDS:,} of them, in batches of {BATCH} (share of what the bare driver does):",
        [
            "database",
            f"from log call to committed row, {PROCESSES} processes",
            "one process",
            "the log calls of an outage",
            "its backlog",
            "QueueHandler and a thread that inserts prepared rows",
            "the driver's `executemany`, alone",
        ],
        rows,
    )


@contextlib.contextmanager
def database(name: str, project: Path, folder: Path, template: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of a process whose log has an empty database of that kind."""
    env = databases(project, folder, template)
    if name == "SQLite":
        yield env
        return
    with scratch_postgresql() as url:
        env["LOG_DATABASE_URL"] = url
        migrate(project, env)
        yield env


def main() -> None:
    if len(sys.argv) == 1:
        one_of_several()
        return
    log_url = os.environ["LOG_DATABASE_URL"]
    rates = records_a_second(log_url)
    least = bare_sqlite(Path(sys.argv[1])) if log_url.startswith("sqlite") else bare_postgresql(log_url)
    print(json.dumps([*rates, *least]))


if __name__ == "__main__":
    main()
