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
"""Measure how long the log's pages, their JSON and the commands take, however many rows there are.

For each database and number of rows the script fills a scratch database with thirty days of a realistic mix, asks for
every page until it is warm, times it, and deletes the database. It prints a Markdown table of medians in milliseconds,
as in docs/figures.md, and on stderr also the CPU time of this process. `uv run benchmarks/viewer.py --database sqlite`
needs 15 GB of disk, postgresql the same; `--database mariadb --rows 100000 1000000` takes five minutes. `--kind`
chooses a log in which 99% of the rows are muted, or one with a flood of different texts.
"""

import argparse
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, func, select, text
from viewer_rows import FLOOD, GONE_PROBLEM, MIX, MUTED, fill

PROJECT = Path(__file__).resolve().parent.parent / "{{cookiecutter.project_slug}}"
SERVERS = {
    "postgresql": "postgresql+psycopg://postgres@127.0.0.1:5432",
    "mariadb": "mysql+pymysql://root@127.0.0.1:3306",
}
MAINTENANCE = {"postgresql": "postgres", "mariadb": "mysql"}
SCRATCH = "dblog_viewer_benchmark"
PASSWORD = "correct horse battery staple"
WARM, TIMES = 3, 25

PAGES = {
    "rows, 24 h": "/logs",
    "rows, 30 days": "/logs?since=30d",
    "rows, 7 days": "/logs?since=7d",
    "rows, 30 days, muted too": "/logs?since=30d&muted=show",
    "rows, all": "/logs?since=all",
    "rows, page half-way": "/logs?since=30d&before={middle}",
    "around a row": "/logs?around={id}",
    "level": "/logs?level=ERROR",
    "rare level, 30 days": "/logs?level=CRITICAL&since=30d",
    "absent level": "/logs?level=60&since=30d",
    "logger": "/logs?logger=app.orders&since=30d",
    "user": "/logs?user=77&since=30d",
    "absent user": "/logs?user=999999&since=30d",
    "request": "/logs?request=req-1000",
    "release, 30 days": "/logs?release=9f2c1a1&since=30d",
    "absent release": "/logs?release=none&since=30d",
    "address, 30 days": "/logs?ip=192.0.2.77&since=30d",
    "absent address": "/logs?ip=198.51.100.1&since=30d",
    "path, 30 days": "/logs?path=/orders&since=30d",
    "absent path": "/logs?path=/nowhere&since=30d",
    "level, 30 days, muted too": "/logs?level=ERROR&since=30d&muted=show",
    "problem that stopped": "/logs?problem={problem}",
    "level and logger": "/logs?level=CRITICAL&logger=app.orders&since=30d",
    "level and user": "/logs?level=CRITICAL&user=77&since=30d",
    "text": "/logs?q=payment&since=30d",
    "absent text": "/logs?q=zebra&since=30d",
    "absent text, level": "/logs?q=zebra&level=WARNING&since=30d",
    "detail": "/logs/{id}",
    "problems": "/logs/problems",
    **{f"problems, {view}": f"/logs/problems?status={view}" for view in ("all", "new", "quiet", "resolved", "muted")},
    "problems, most users": "/logs/problems?sort=users&level=INFO",
    "problems, text": "/logs/problems?q=payment&level=INFO",
    "problem": "/logs/problems/{problem}",
    "status": "/logs/status",
    "JSON": "/logs.json",
    "JSON, level": "/logs.json?level=ERROR&since=30d",
    "JSON, absent text": "/logs.json?q=zebra&since=30d",
    "JSON, problems": "/logs/problems.json",
    "JSON, detail": "/logs/{id}.json",
    "JSON, news": "/logs/news.json?after={id}",
}
COMMANDS = {
    "list": "list",
    "list --level": "list --level ERROR",
    "list --json": "list --json",
    "list --grep (absent)": "list --grep zebra",
    "show": "show {id}",
    "problems": "problems",
    "status": "status",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--kind", choices=[MIX, MUTED, FLOOD], default=MIX, help="what the rows are like")
    parser.add_argument("--database", nargs="+", choices=["sqlite", *SERVERS], default=["sqlite", "postgresql"])
    chosen = parser.parse_args()
    sys.path.insert(0, str(PROJECT))
    results: dict[str, dict[str, float]] = {}
    for name in chosen.database:
        for rows in chosen.rows:
            with filled_app(name, rows, kind=chosen.kind) as app:
                for case, (milliseconds, of_cpu) in measured(app):
                    results.setdefault(case, {})[f"{name} {rows:,}"] = milliseconds
                    print(f"{milliseconds:8.1f} {of_cpu:8.1f}  {name} {rows:,}  {case}", file=sys.stderr, flush=True)
    columns = [f"{name} {rows:,}" for name in chosen.database for rows in chosen.rows]
    print_table(columns, results)


@contextmanager
def filled_app(name: str, rows: int, days: float = 30.0, kind: str = MIX) -> Iterator[Any]:
    """Yield an application whose log has so many rows of so many days, on a database that is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="dblog-") as folder:
        url = f"sqlite:///{folder}/log.db"
        if server := SERVERS.get(name):
            url = f"{server}/{SCRATCH}"
            on_server(name, f"DROP DATABASE IF EXISTS {SCRATCH}", f"CREATE DATABASE {SCRATCH}")
        app = make_app(url, folder)
        try:
            with app.app_context():
                import_module("flask_migrate").upgrade()
                started = time.monotonic()
                fill(import_module("app.database").db.engines["log"], rows, days, kind)
            print(f"{name}: {rows:,} rows in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
            yield app
        finally:
            app.extensions["dblog"].writer.close(2)
            with app.app_context():
                for engine in import_module("app.database").db.engines.values():
                    engine.dispose()
            if server:
                on_server(name, f"DROP DATABASE {SCRATCH}")


def on_server(name: str, *statements: str) -> None:
    engine = create_engine(f"{SERVERS[name]}/{MAINTENANCE[name]}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def make_app(url: str, folder: str) -> Any:
    app = import_module("app").create_app(
        {
            "SECRET_KEY": secrets.token_hex(),
            "DATABASE_URL": f"sqlite:///{folder}/app.db",
            "LOG_DATABASE_URL": url,
            "LOG_JOURNAL_DIR": f"{folder}/journal",
            "LOG_FILE": "",
            "LOG_LEVEL": "ERROR",
            "LOG_RETENTION_DAYS": 0,
            "LOG_MAX_ROWS": 0,
            "WTF_CSRF_ENABLED": False,
        }
    )
    return app


def measured(app: Any) -> Iterator[tuple[str, tuple[float, float]]]:
    """Return every page and command with its medians in milliseconds: of elapsed time, and of CPU time."""
    client = admin_client(app)
    row = client.get("/logs.json").get_json()["entries"][0]["id"]
    middle = middle_cursor(app)
    problem = import_module("app.dblog.models").LogProblem
    with app.app_context(), import_module("app.dblog.viewer.queries").reading() as log:
        stopped = log.scalar(select(problem.id).where(problem.fingerprint == GONE_PROBLEM))
    places = {"id": row, "middle": middle, "problem": stopped}
    for case, address in PAGES.items():
        yield case, medians(partial(see, client, address.format(**places)))
    runner = app.test_cli_runner()
    for case, command in COMMANDS.items():
        arguments = ["log", *command.format(**places).split()]
        yield f"flask log {case}", medians(partial(command_runs, runner, arguments))


def admin_client(app: Any) -> Any:
    with app.app_context():
        db = import_module("app.database").db
        user = import_module("app.accounts.models").User(username="admin", is_admin=True)
        user.set_password(PASSWORD)
        db.session.add(user)
        db.session.commit()
    client = app.test_client()
    client.post("/login", data={"username": "admin", "password": PASSWORD})
    return client


def middle_cursor(app: Any) -> str:
    entry = import_module("app.dblog.models").LogEntry
    with app.app_context(), import_module("app.dblog.viewer.queries").reading() as log:
        half = log.scalar(select(func.max(entry.id))) // 2
        # MariaDB skips ids when it inserts in bulk.
        row = log.execute(select(entry.created_at, entry.id).where(entry.id >= half).order_by(entry.id).limit(1)).one()
    return str(import_module("app.listing").Cursor(*row))


def medians(call: Callable[[], None]) -> tuple[float, float]:
    times = []
    for _ in range(WARM + TIMES):
        started, computed = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - started, time.process_time() - computed))
    passed, of_cpu = zip(*times[WARM:], strict=True)
    return statistics.median(passed) * 1000, statistics.median(of_cpu) * 1000


def see(client: Any, address: str) -> None:
    response = client.get(address)
    if response.status_code != 200:
        raise SystemExit(f"{response.request.url}: {response.status}")


def command_runs(runner: Any, arguments: list[str]) -> None:
    result = runner.invoke(args=arguments)
    if result.exit_code:
        raise SystemExit(result.output)


def print_table(columns: list[str], results: dict[str, dict[str, float]]) -> None:
    print(f"| ms | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for case, times in results.items():
        print(f"| {case} | {' | '.join(f'{times[column]:.1f}' for column in columns)} |")


if __name__ == "__main__":
    main()
