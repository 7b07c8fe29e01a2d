"""Totals, bars and facets agree with the rows, whichever tables of counts they are added up from."""

import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event, select, update

from app.database import day_of, db, hour_of, utcnow
from app.dblog.models import MUTED, LogDay, LogProblem, LogProblemDay
from app.dblog.store.retention import prune
from app.dblog.store.upsert import insert_and_count
from app.dblog.viewer.counts import overview
from app.dblog.viewer.filters import Filters
from app.dblog.viewer.queries import reading

from .log_rows import put, row

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = ("1-a", "1-b", "1-muted", "1-bot")


def some_rows(start: datetime, hours: int, count: int, seed: int = 1) -> list[dict[str, Any]]:
    chosen = random.Random(seed)
    return [
        row(
            created_at=start + HOUR * chosen.random() * hours,
            fingerprint=chosen.choice(NAMES),
            level=chosen.choice((20, 30, 40)),
            logger=chosen.choice(("shop", "web", "mail")),
        )
        for _ in range(count)
    ]


def mute(log: Engine) -> None:
    with log.begin() as connection:
        connection.execute(
            update(LogProblem).where(LogProblem.fingerprint.in_(("1-muted", "1-bot"))).values(status=MUTED)
        )


def some_filters(hour: datetime, hours: int) -> list[Filters]:
    chosen = random.Random(2)
    filters = [Filters()]
    for number in range(60):
        since = hour - HOUR * chosen.randrange(-1, hours + 30)
        until = since + HOUR * chosen.randrange(0, hours) if number % 2 else None
        filters.append(
            Filters(
                level=chosen.choice((None, 30, 40)),
                logger=chosen.choice((None, "web")),
                since=chosen.choice((since, since, day_of(since))),
                until=chosen.choice((until, until and day_of(until + DAY))),
                muted=chosen.choice((None, "show")),
            )
        )
    return filters


def check(app: Flask, filters: Filters, rows: list[dict[str, Any]]) -> None:
    """Compare the counts with the rows, one by one."""
    with app.app_context(), reading() as log:
        found = overview(log, filters)
    assert found is not None
    in_time = [
        each
        for each in rows
        if (not filters.since or each["created_at"] >= filters.since)
        and (not filters.until or each["created_at"] < filters.until)
    ]
    hides = not filters.muted
    hidden = [each for each in in_time if hides and each["fingerprint"] in ("1-muted", "1-bot")]
    shown = [each for each in in_time if each not in hidden]

    def fits(each: dict[str, Any], level: bool = True, logger: bool = True) -> bool:
        high = not level or each["level"] >= (filters.level or 0)
        return high and (not logger or filters.logger in (None, each["logger"]))

    listed = [each for each in shown if fits(each)]
    assert found.total == len(listed)
    assert found.levels == Counter(each["level"] for each in shown if fits(each, level=False))
    assert dict(found.loggers) == Counter(each["logger"] for each in shown if fits(each, logger=False))
    assert [*found.loggers] == sorted(found.loggers, key=lambda each: (-each[1], each[0]))
    assert found.hidden == sum(map(fits, hidden))
    assert found.hidden_problems == len({each["fingerprint"] for each in hidden if fits(each)})
    for bar in found.bars:
        of_bar = [each["level"] for each in listed if bar.start <= each["created_at"] < bar.end]
        assert bar.levels == Counter(of_bar), bar.start


def test_what_is_counted_is_what_is_there(app: Flask, log: Engine) -> None:
    hour = hour_of(utcnow())
    hours = 20 * 24
    rows = some_rows(hour - hours * HOUR, hours, 1_200)
    # These are the edges: the first and last moment of a day and of an hour, now, and a clock that is ahead.
    midnight = day_of(hour) - 3 * DAY
    just = timedelta(microseconds=1)
    edges = (midnight, midnight - just, midnight + HOUR, midnight + HOUR - just, hour, hour + 30 * HOUR)
    rows += [row(created_at=moment, fingerprint=name) for moment in edges for name in ("1-a", "1-bot")]
    put(app, *rows)
    mute(log)
    for filters in some_filters(hour, hours):
        check(app, filters, rows)


def test_a_week_and_a_month_are_added_up_by_the_day(app: Flask, log: Engine) -> None:
    """The log reads only the hours before the first midnight and after the last."""
    hour = hour_of(utcnow())
    put(app, *some_rows(hour - 30 * DAY, 30 * 24, 2_000))
    mute(log)
    read: list[str] = []

    @event.listens_for(log, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        if "hour." in statement and "min(" not in statement:
            read.append(statement)

    with app.app_context(), reading() as session:
        assert overview(session, Filters(since=day_of(hour) - 29 * DAY))
        assert overview(session, Filters(since=day_of(hour) - 6 * DAY))
        assert read == []
        assert overview(session, Filters(since=day_of(hour) - 28 * DAY - HOUR))
    # The statements read the counts by level, the counts by logger, and those of muted problems.
    assert len(read) == 3
    assert all(".hour >= " in statement and ".hour < " in statement for statement in read)


def test_pruning_leaves_days_exact(app: Flask, log: Engine) -> None:
    hour = hour_of(utcnow())
    rows = some_rows(hour - 5 * DAY, 5 * 24, 400)
    put(app, *rows)
    mute(log)
    for cutoff in (day_of(hour) - 4 * DAY + 5 * HOUR, day_of(hour) - 3 * DAY, day_of(hour) - 2 * DAY + 23 * HOUR):
        while prune(log, cutoff) is not None:
            pass
        rows = [each for each in rows if each["created_at"] >= cutoff]
        assert sums(app, LogDay) == len(rows)
        assert sums(app, LogProblemDay) == len(rows)
        for since in (None, cutoff, cutoff - 2 * DAY, day_of(cutoff)):
            check(app, Filters(since=since), rows)
    # A late record comes from an hour that has been deleted.
    late = [*some_rows(cutoff - DAY, 1, 20, seed=3), *rows]
    put(app, *late[:20])
    check(app, Filters(muted="show"), late)
    assert sums(app, LogDay) == len(late)


def sums(app: Flask, table: type[LogDay | LogProblemDay]) -> int:
    with app.app_context(), reading() as log:
        assert all(each.count > 0 for each in log.scalars(select(table)))
        return sum(each.count - each.without_row for each in log.scalars(select(table)))


def test_a_replay_counts_no_day_twice(app: Flask) -> None:
    rows = some_rows(hour_of(utcnow()) - 2 * DAY, 24, 30)
    put(app, *rows[:20])
    with app.app_context(), db.engines["log"].begin() as connection:
        insert_and_count(connection, rows, replay=True)
    check(app, Filters(muted="show"), rows)
    assert sums(app, LogDay) == sums(app, LogProblemDay) == 30
