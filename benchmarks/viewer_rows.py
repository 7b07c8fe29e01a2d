"""Let the database itself make thirty days of a realistic log, from a few hundred problems with new values.

Forty loggers have rows of four levels in every hour; one problem in sixteen is muted, one resolved. Two other logs are
the same, except that in one 99% of the rows are of one muted problem, and in the other a flood of different texts has
come.
"""

import json
import random
import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, text

FAMILIES, PATTERNS, CHUNK = 300, 3_000, 500_000
NAMES = ("app.orders", "app.accounts", "app.mail", "app.search", "app.api", "sqlalchemy.pool", "urllib3", "celery")
LOGGERS = tuple(f"{name}{part}" for part in ("", ".views", ".models", ".jobs", ".cache") for name in NAMES)
LEVELS = (20, 30, 10, 40)
RELEASES = 5
#: The kinds of a log.
MIX, MUTED, FLOOD = "mix", "muted", "flood"
FLOOD_ROWS = 100_000
EXCEPTIONS = ("ValueError", "KeyError", "TimeoutError", "app.orders.PaymentFailed", "sqlalchemy.exc.OperationalError")
#: This problem has a third of the first twenty days' rows and none since: its list must not read all later rows.
GONE_PROBLEM = f"1-{0:032x}"
#: One of the muted problems; in a log of the kind it has 99% of the rows.
MUTED_PATTERN = 3

COLUMNS = (
    *("level", "logger", "message", "exception", "trace", "frames", "fingerprint", "method", "path", "endpoint"),
    *("ip", "user_id", "is_admin", "host", "pid", "thread", "source", "extra"),
)
TEXT = {"sqlite": "TEXT", "postgresql": "TEXT", "mysql": "CHAR"}
MOMENT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', julianday('now', '-30 days') + {n} * {days} / {rows}) || '000'",
    "postgresql": "now() - interval '30 days' + {n} * (interval '1 day' * {days} / {rows})",
    "mysql": "utc_timestamp(6) - interval 30 day + interval floor({n} * ({days} * 86400000000 / {rows})) microsecond",
}
HOUR = {
    "sqlite": "strftime('%Y-%m-%d %H:00:00.000000', created_at)",
    "postgresql": "date_trunc('hour', created_at)",
    "mysql": "date_format(created_at, '%Y-%m-%d %H:00:00')",
}
DAY = {
    "sqlite": "strftime('%Y-%m-%d 00:00:00.000000', hour)",
    "postgresql": "date_trunc('day', hour AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
    "mysql": "date_format(hour, '%Y-%m-%d 00:00:00')",
}
COUNTS = (
    "INSERT INTO log_problem"
    " (fingerprint, level, title, place, count, users, first_seen, last_seen, in_next_deploy, status, decided_at,"
    " resolved_at)"
    " SELECT fingerprint, MAX(level), MIN(message), COALESCE(MIN(source), ''), COUNT(*), COUNT(DISTINCT user_id),"
    " MIN(created_at), MAX(created_at), FALSE,"
    " CASE WHEN fingerprint LIKE '1-%7' THEN 'resolved' WHEN fingerprint LIKE '1-%3' THEN 'muted' ELSE 'open' END,"
    " CASE WHEN fingerprint LIKE '1-%7' OR fingerprint LIKE '1-%3' THEN MAX(created_at) END,"
    " CASE WHEN fingerprint LIKE '1-%7' THEN MAX(created_at) END"
    " FROM log_entry GROUP BY fingerprint",
    "INSERT INTO log_decision (fingerprint, created_at, action, user_id)"
    " SELECT fingerprint, decided_at, status, 1 FROM log_problem WHERE decided_at IS NOT NULL",
    "INSERT INTO log_problem_user (fingerprint, user_id, count)"
    " SELECT fingerprint, user_id, COUNT(*) FROM log_entry WHERE user_id IS NOT NULL GROUP BY fingerprint, user_id",
    "INSERT INTO log_release (release, first_seen) SELECT release, MIN(created_at) FROM log_entry GROUP BY release",
    "INSERT INTO log_problem_hour (fingerprint, hour, level, logger, count)"
    " SELECT fingerprint, {hour}, level, logger, COUNT(*) FROM log_entry GROUP BY fingerprint, {hour}, level, logger",
    "INSERT INTO log_problem_day (fingerprint, day, level, logger, count)"
    " SELECT fingerprint, {day}, level, logger, SUM(count) FROM log_problem_hour"
    " GROUP BY fingerprint, {day}, level, logger",
    "INSERT INTO log_hour (hour, level, logger, count)"
    " SELECT hour, level, logger, SUM(count) FROM log_problem_hour GROUP BY hour, level, logger",
    "INSERT INTO log_day (day, level, logger, count)"
    " SELECT {day}, level, logger, SUM(count) FROM log_hour GROUP BY {day}, level, logger",
)


def fill(engine: Engine, rows: int, days: float = 30.0, kind: str = MIX) -> None:
    """Fill the log's empty tables, from thirty days ago on and for so many days, and let the database analyse them."""
    dialect = engine.dialect.name.replace("mariadb", "mysql")
    entry = Table("log_entry", MetaData(), autoload_with=engine)
    with engine.begin() as connection:
        make_patterns(connection)
    # The indexes are built at the end, as in any bulk load.
    for index in entry.indexes:
        index.drop(engine)
    total = rows + (FLOOD_ROWS if kind == FLOOD else 0)
    for start in range(0, total, CHUNK):
        with engine.begin() as connection:
            connection.execute(text(rows_statement(dialect, rows, days, start, min(start + CHUNK, total), kind)))
    for index in entry.indexes:
        index.create(engine)
    with engine.begin() as connection:
        count_rows(connection)
        for table in ("pattern", "number"):
            connection.execute(text(f"DROP TABLE {table}"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text({"postgresql": "VACUUM ANALYZE", "mysql": "ANALYZE TABLE log_entry"}.get(dialect, "SELECT 1"))
        )


def count_rows(connection: Connection) -> None:
    """Fill all tables of problems and counts from the existing rows."""
    dialect = connection.dialect.name.replace("mariadb", "mysql")
    for statement in COUNTS:
        connection.execute(text(f"DELETE FROM {statement.split()[2]}"))
    for statement in COUNTS:
        statement = statement.format(hour=HOUR[dialect], day=DAY[dialect])
        # The name is a reserved word on MySQL.
        connection.execute(text(re.sub(r"\brelease\b", "`release`", statement) if dialect == "mysql" else statement))


def rows_statement(dialect: str, rows: int, days: float, start: int, end: int, kind: str) -> str:
    number = f"({start} + a.n * 1000 + b.n)"
    message = f"REPLACE(message, '#', CAST({number} AS {TEXT[dialect]}))"
    values = (
        {
            "event_id": f"CAST({number} AS {TEXT[dialect]})",
            "created_at": MOMENT[dialect].format(n=number, rows=rows, days=days),
            "request_id": f"REPLACE('req-#', '#', CAST(({number} - {number} % 3) / 3 AS {TEXT[dialect]}))",
        }
        | {name: name for name in COLUMNS}
        | {"message": message}
    )
    release = f"REPLACE('9f2c1a#', '#', CAST({number} * {RELEASES} / {rows} AS {TEXT[dialect]}))"
    values["release"] = release
    if kind == FLOOD:
        # The whole flood comes in the last hour.
        moment = f"({rows} - ({rows + FLOOD_ROWS} - {number}) * {rows / days / 24 / FLOOD_ROWS:.9f})"
        flood = {
            "created_at": MOMENT[dialect].format(n=moment, rows=rows, days=days),
            "fingerprint": f"REPLACE('2-#', '#', {values['event_id']})",
            "message": f"REPLACE('Nobody expected the visitor of #', '#', {values['event_id']})",
        }
        for name, value in flood.items():
            values[name] = f"CASE WHEN {number} >= {rows} THEN {value} ELSE {values[name]} END"
    if dialect == "mysql":
        values["request_id"] = values["request_id"].replace(" / 3", " DIV 3")
        values["`release`"] = values.pop("release").replace(" / ", " DIV ")
    gone, muted = f"{number} % 3 = 0 AND {number} < {rows * 2 // 3}", f"{number} % 100 > 0"
    most = f"WHEN {muted} THEN {MUTED_PATTERN}" if kind == MUTED else ""
    chosen = f"CASE {most} WHEN {gone} THEN 0 ELSE 1 + {number} % {PATTERNS - 1} * 7919 % {PATTERNS - 1} END"
    return (
        f"INSERT INTO log_entry ({', '.join(values)}) SELECT {', '.join(values.values())}"
        f" FROM number a CROSS JOIN number b JOIN pattern ON pattern.n = {chosen}"
        f" WHERE a.n < {CHUNK // 1000} AND {number} < {end} ORDER BY {number}"
    )


def make_patterns(connection: Connection) -> None:
    kinds = ", ".join(
        f"{name} {'INTEGER' if name in ('level', 'user_id', 'pid') else 'BOOLEAN' if name == 'is_admin' else 'TEXT'}"
        for name in COLUMNS
    )
    connection.execute(text(f"CREATE TABLE pattern (n INTEGER PRIMARY KEY, {kinds})"))
    connection.execute(
        text(f"INSERT INTO pattern VALUES (:n, {', '.join(f':{name}' for name in COLUMNS)})"), [*patterns()]
    )
    connection.execute(text("CREATE TABLE number (n INTEGER PRIMARY KEY)"))
    connection.execute(text("INSERT INTO number VALUES (:n)"), [{"n": n} for n in range(1000)])


def patterns() -> Iterator[dict[str, Any]]:
    random.seed(1)
    families = [family(number) for number in range(FAMILIES)]
    for n in range(PATTERNS):
        here = families[n % FAMILIES if n else 0]
        user = random.choice((None, None, random.randrange(1, 500)))
        path = f"/{here['logger'].partition('.')[2] or 'jobs'}/{random.randrange(10_000)}"
        yield here | {
            "n": n,
            "method": random.choice(("GET", "GET", "POST")),
            "path": path,
            "ip": f"192.0.2.{random.randrange(256)}",
            "user_id": user,
            "is_admin": None if user is None else user % 50 == 0,
            "pid": 4000 + n % 8,
            "extra": json.dumps({"order": n, "customer": f"c-{n * 17 % 9973}"}) if n % 4 == 0 else None,
        }


def family(number: int) -> dict[str, Any]:
    """Return the values that the rows of one problem share."""
    # Each logger has rows of each level; the other rows are distributed as usual. Only one problem is critical.
    level = LEVELS[number // len(LOGGERS)] if number < 160 else random.choices((20, 30, 40), (70, 20, 10))[0]
    level = {0: 30, 1: 50}.get(number, level)
    logger = LOGGERS[number % len(LOGGERS)] if number > 1 else "app.orders"
    function = f"step_{number}"
    thing = random.choice(("payment", "invoice", "delivery", "login", "search", "report", "upload", "session"))
    same: dict[str, Any] = {
        "level": level,
        "logger": logger,
        "message": f"{thing.capitalize()} {number} of order # took longer than the customer was willing to wait",
        "exception": None,
        "trace": None,
        "frames": None,
        "fingerprint": f"1-{number:032x}",
        "endpoint": f"{logger}.{function}",
        "host": "web-1",
        "thread": "MainThread",
        "source": f"{logger}:{number} {function}",
    }
    if level >= 40:
        same["exception"] = random.choice(EXCEPTIONS)
        frames = [frame(f"/srv/shop/app/{thing}.py", number + step, function) for step in range(3)]
        lines = "".join(
            f'  File "{each["file"]}", line {each["line"]}, in {function}\n    save(order)\n' for each in frames
        )
        same["trace"] = f"Traceback (most recent call last):\n{lines * 2}{same['exception']}: the {thing} was refused\n"
        same["frames"] = json.dumps(
            [{"class": same["exception"], "text": f"the {thing} was refused", "frames": frames}]
        )
    return same


def frame(file: str, line: int, function: str) -> dict[str, Any]:
    source = [f"    {name} = order.{name} or default_{name}" for name in ("customer", "address", "items", "total")]
    return {"file": file, "line": line, "function": function, "project": True, "first": line - 5, "source": source * 2}
