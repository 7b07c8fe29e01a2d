"""A page visits few rows of a table, whatever the other rows are: those of muted problems, or of a flood of texts."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from threading import get_ident
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Dialect, Engine, event, insert, text, update
from sqlalchemy.orm import Session

from app import time_limit
from app.accounts.models import User
from app.database import UTCDateTime, hour_of, utcnow
from app.dblog.models import LogProblem
from app.dblog.viewer import muted, problem_facts, problem_list, problems, queries, search_box
from app.dblog.viewer.counts import overview
from app.dblog.viewer.filters import Filters
from app.dblog.viewer.problem_list import MANY_SEEN_ONCE, Wanted
from app.dblog.viewer.queries import page, reading
from app.listing import Cursor

from ..conftest import login
from .log_rows import problem_id, put, row

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
#: So many steps of SQLite's virtual machine are counted as a row.
STEPS_A_ROW = 20

Visited = Callable[[Callable[[Session], object]], int]


@pytest.fixture
def visited(app: Flask, log: Engine, monkeypatch: pytest.MonkeyPatch) -> Visited:
    """Return a function that counts the rows of tables and indexes that the queries of a function visit."""
    steps: list[None] = []

    def tick() -> float:
        steps.append(None)
        return 0.0

    def count(search: Callable[[Session], object]) -> int:
        seen: list[tuple[str, Any]] = []
        steps.clear()
        with app.app_context(), reading() as session:
            # The first queries on a connection may read the schema.
            search(session)
            steps.clear()
            event.listen(log, "before_cursor_execute", listener := lambda *given: seen.append((given[2], given[3])))
            search(session)
            event.remove(log, "before_cursor_execute", listener)
            if log.dialect.name == "sqlite":
                return len(steps) * time_limit.SQLITE_STEPS // STEPS_A_ROW
            plans = []
            for statement, parameters in seen:
                if statement.startswith("SELECT") and "set_config" not in statement:
                    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
                    plans += session.connection().exec_driver_sql(explain, parameters).scalar_one()
        return sum(rows for plan in plans for rows in scanned(plan["Plan"]))

    if log.dialect.name not in ("sqlite", "postgresql"):
        pytest.skip("the database does not tell how many rows a query visits")
    monkeypatch.setattr(time_limit, "SQLITE_STEPS", 200)
    monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=tick))
    return count


def scanned(plan: Mapping[str, Any]) -> Iterator[int]:
    """Yield how many rows each scan of a plan of PostgreSQL read."""
    if "Relation Name" in plan:
        left_out = sum(plan.get(f"Rows Removed by {name}", 0) for name in ("Filter", "Index Recheck"))
        yield round((plan["Actual Rows"] + left_out) * plan["Actual Loops"])
    for part in plan.get("Plans", ()):
        yield from scanned(part)


def mute(log: Engine, fingerprint: str) -> None:
    with log.begin() as connection:
        connection.execute(update(LogProblem).where(LogProblem.fingerprint == fingerprint).values(status="muted"))


def analyze(log: Engine) -> None:
    """Let PostgreSQL know the tables; SQLite plans without that."""
    if log.dialect.name == "postgresql":
        with log.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


@pytest.fixture
def quiet(app: Flask, log: Engine) -> int:
    """Store rows of a problem that stopped, and ten times as many of others since; return the problem's number."""
    start = utcnow() - 20 * HOUR
    old = (
        row(f"old {number}", fingerprint="1-old", logger="old", level=50, user_id=7, created_at=start + number * SECOND)
        for number in range(300)
    )
    others = (
        row(fingerprint=f"1-{number % 9}", created_at=start + HOUR + number * 20 * SECOND, level=20)
        for number in range(3_000)
    )
    put(app, *old, *others)
    analyze(log)
    return problem_id(app, "1-old")


def test_what_stopped_is_found_without_the_rows_since(app: Flask, log: Engine, quiet: int, visited: Visited) -> None:
    with app.app_context(), reading() as session:
        problem = problems.find_problem(session, quiet)
        assert problem is not None
        entry = problem_facts.find_entry(session, problem, None)
        assert entry is not None
        assert entry.message == "old 299"
    searches: dict[str, Callable[[Session], object]] = {
        "newest": lambda session: problem_facts.find_entry(session, problem, None),
        "neighbours": lambda session: queries.neighbours(session, entry),
        "rows": lambda session: page(session, Filters(problem=quiet), size=5),
        "rows of a logger": lambda session: page(session, Filters(logger="old"), size=5),
        "rows of a level": lambda session: page(session, Filters(level=50), size=5),
        "rows of a user": lambda session: page(session, Filters(user=7), size=5),
        "further back": lambda session: page(session, Filters(problem=quiet), before=str(Cursor.of(entry)), size=5),
    }
    for name, search in searches.items():
        assert visited(search) < 1_000, name


def test_the_numbers_of_a_month_take_four_queries(app: Flask, log: Engine) -> None:
    """The hours before its first day are asked for with its days."""
    put(app, *(row(age=age * DAY, fingerprint=f"1-{age % 2}") for age in range(35)))
    mute(log, "1-1")
    asked: list[str] = []
    with app.app_context(), reading() as session:
        event.listen(log, "before_cursor_execute", lambda *given: asked.append(given[2]))
        found = overview(session, Filters(since=hour_of(utcnow()) - 30 * DAY - HOUR))
    assert found is not None
    assert (found.total, found.hidden, found.hidden_problems) == (16, 15, 1)
    assert len(asked) == 4


def test_a_page_and_its_tabs_take_one_transaction(app: Flask, log: Engine, client: FlaskClient, admin: User) -> None:
    put(app, row())
    login(client, admin)
    number = problem_id(app)
    begun: list[int] = []
    client.get("/logs")
    event.listen(log, "begin", lambda _: begun.append(get_ident()))
    for address in ("/logs", "/logs/1", "/logs/problems", f"/logs/problems/{number}", "/logs/status"):
        begun.clear()
        assert client.get(address).status_code == 200
        # The writer's thread may prune meanwhile.
        assert begun.count(get_ident()) == 1, address


@pytest.fixture
def flood(app: Flask, log: Engine) -> Engine:
    """Store some problems, and a hundred times as many that were seen once, half of them of each of two levels."""
    now = utcnow()
    same = {"place": "", "users": 0, "first_seen": now, "last_seen": now, "in_next_deploy": False, "status": "open"}
    with log.begin() as connection:
        for kind, number, count in (("real", 60, 2), ("flood", 6_000, 1)):
            rows = [
                same
                | {"fingerprint": f"2-{kind}-{n}", "title": f"{kind} {n}", "count": count, "level": (20, 40)[n % 2]}
                for n in range(number)
            ]
            connection.execute(insert(LogProblem), rows)
        decided = update(LogProblem).values(decided_at=now)
        connection.execute(decided.where(LogProblem.fingerprint == "2-flood-7"))
    analyze(log)
    return log


def test_a_flood_of_texts_is_not_read_for_what_is_left_of_the_list(app: Flask, flood: Engine, visited: Visited) -> None:
    with app.app_context(), reading() as session:
        assert problems.count_open(session) == 31, "30 that were seen often, and the one that was decided"
        listed = problem_list.list_problems(session, Wanted(), with_once=False, size=100).entries
        assert len(listed) == 31
        assert [title for _, title, _ in search_box.problems_titled(session, "flood")] == ["flood 7"]
        numbers = problem_list.tally(session, Wanted(), utcnow() - HOUR)
        assert (numbers["open"], numbers["once"], numbers["new"], numbers["all"]) == (31, 2_999, 3_030, 3_030)
    # Both numbers are capped: that of the open ones, and that of those that were seen once.
    assert visited(problems.count_open) < 2 * MANY_SEEN_ONCE + 500
    assert visited(lambda session: problem_list.list_problems(session, Wanted(), with_once=False)) < 500
    assert visited(lambda session: search_box.problems_titled(session, "flood")) < MANY_SEEN_ONCE + 500
    # Those that were seen once are counted along the index, the others as well.
    assert visited(lambda session: problem_list.tally(session, Wanted(), utcnow() - HOUR)) < 3_500


def test_a_page_reads_few_counts_to_skip_muted_rows(app: Flask, log: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks once, and reads no more counts than those of the hours that have its rows."""
    start, others = hour_of(utcnow()) - 20 * HOUR, {10: 0, 30: 1, 50: 2}
    rows = [
        row(f"m{number}", created_at=start + number * HOUR / 63, fingerprint=f"1-{others.get(number % 63, 3)}")
        for number in range(20 * 63)
    ]
    put(app, *rows)
    mute(log, "1-3")
    read: list[datetime] = []
    counts_read: list[int] = []

    def next_hours(*given: Any, ask: Callable[..., muted.Hours] = muted.next_hours) -> muted.Hours:
        read.clear()
        hours = ask(*given)
        counts_read.append(len(read))
        return hours

    def convert(
        kind: UTCDateTime, value: Any, dialect: Dialect, convert: Any = UTCDateTime.process_result_value
    ) -> datetime | None:
        read.append(value)
        converted: datetime | None = convert(kind, value, dialect)
        return converted

    monkeypatch.setattr(UTCDateTime, "process_result_value", convert)
    monkeypatch.setattr(muted, "next_hours", next_hours)
    monkeypatch.setattr(muted, "COUNTS_AT_ONCE", 5)
    shown = [each["message"] for each in reversed(rows) if each["fingerprint"] != "1-3"]
    with app.app_context():
        before = None
        for number in range(4):
            counts_read.clear()
            with reading() as session:
                found = page(session, Filters(), before=before, size=10)
            before = found.older
            assert [entry.message for entry in found.entries] == shown[number * 10 : number * 10 + 10]
            # The page begins within an hour and needs rows of four more; of each there are four counts.
            assert len(counts_read) == 1
            assert counts_read[0] <= 25
