"""Total, facets and histogram of a list of rows, from the counts that the writer keeps by the hour.

No row is counted here, so every number is one of whole hours. Where the filter's times are on the hour, those are the
rows that the list shows: records without a row, see LOG_STORM_ROWS, are not among them, nor are rows of muted problems.
Where they are not, the histogram shows each hour that the filter touches, and no total is claimed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, func, select
from sqlalchemy.orm import Session

from ...database import HOUR, hour_of, utcnow
from ..models import LogHour
from . import muted
from .filters import Filters

MAX_HOURS = 62 * 24
MAX_BARS = 60
MAX_LOGGERS = 50
#: What a page shows of a larger total is "10,000+".
CAP = 10_000
#: Hours that a bar may stand for.
WIDTHS = (1, 2, 3, 24)
DAY = 24


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram: ``levels`` has the number of rows of each level from ``start`` to before ``end``."""

    start: datetime
    end: datetime
    levels: Counter[int]


@dataclass(frozen=True)
class Overview:
    """The numbers beside a list of rows. ``levels`` ignores the filter's level, ``loggers`` its logger.

    ``hidden`` is how many rows the filter leaves out, since they are of ``hidden_problems`` muted problems. ``total``
    and ``hidden`` are None where the filter takes a part of an hour.
    """

    total: int | None
    bars: Sequence[Bar]
    levels: Mapping[int, int]
    loggers: Sequence[tuple[str, int]]
    hidden: int | None
    hidden_problems: int


def overview(log: Session, filters: Filters) -> Overview | None:
    """Return what the counts tell of the filter's rows; None if it has a condition by which nothing is counted."""
    if any((filters.q, filters.request, filters.release, filters.user is not None, filters.problem is not None)):
        return None
    next_hour = hour_of(utcnow()) + HOUR
    start = hour_of(filters.since or log.scalar(select(func.min(LogHour.hour))) or next_hour)
    end = min(hour_of(filters.until - timedelta(microseconds=1)) + HOUR, next_hour) if filters.until else next_hour
    if end - start > MAX_HOURS * HOUR:
        return None
    hours = [LogHour.hour >= start]
    if filters.until:
        hours.append(LogHour.hour < filters.until)
    lowest = filters.level or 0
    levels: Counter[int] = Counter()
    width, bars = _bars(start, end)

    def count(moment: datetime, level: int, rows: int) -> None:
        levels[level] += rows
        # There is no bar for rows of the future, which come from hosts whose clocks are ahead.
        if level >= lowest and (bar := bars.get(_bar_start(moment, width))):
            bar.levels[level] += rows

    for moment, level, rows in _sums(log, hours, filters.logger, by_day=width == DAY):
        count(moment, level, rows)
    loggers = _loggers(log, hours, lowest)
    hidden: Counter[str] = Counter()
    for each in muted.counts(log, start, filters.until) if filters.hides_muted else ():
        if filters.logger in (None, each.logger):
            count(each.hour, each.level, -each.rows)
        if each.level >= lowest:
            loggers[each.logger] -= each.rows
            if filters.logger in (None, each.logger):
                hidden[each.fingerprint] += each.rows
    on_the_hour = all(moment is None or moment == hour_of(moment) for moment in (filters.since, filters.until))
    return Overview(
        total=sum(rows for level, rows in levels.items() if level >= lowest) if on_the_hour else None,
        bars=[Bar(bar.start, bar.end, +bar.levels) for bar in bars.values()],
        levels=+levels,
        loggers=sorted((+loggers).items(), key=lambda each: (-each[1], each[0]))[:MAX_LOGGERS],
        hidden=hidden.total() if on_the_hour else None,
        hidden_problems=len(+hidden),
    )


def count_rows(log: Session) -> int:
    """Return how many rows the log has."""
    return int(log.scalar(select(func.sum(LogHour.count - LogHour.without_row))) or 0)


def count_without_row(log: Session) -> int:
    """Return how many records were only counted, see LOG_STORM_ROWS."""
    return int(log.scalar(select(func.sum(LogHour.without_row))) or 0)


def _bars(start: datetime, end: datetime) -> tuple[int, dict[datetime, Bar]]:
    """Return how many hours wide a bar is, and empty bars from ``start`` to ``end`` by what ``_bar_start`` returns."""
    hours = (end - start) // HOUR
    width = next((width for width in WIDTHS if hours <= width * MAX_BARS), DAY)
    bars = {}
    while start < end:
        key = _bar_start(start, width)
        following = key + width * HOUR
        bars[key] = Bar(start, min(following, end), Counter())
        start = following
    return width, bars


def _bar_start(moment: datetime, width: int) -> datetime:
    return moment.replace(hour=moment.hour // width * width)


def _sums(
    log: Session, hours: Sequence[ColumnElement[bool]], logger: str | None, by_day: bool
) -> Iterator[tuple[datetime, int, int]]:
    """Yield an hour (or the start of a day, UTC), a level, and how many rows there are of both."""
    sums = select(LogHour.hour, LogHour.level, func.sum(LogHour.count - LogHour.without_row).label("count")).where(
        *hours
    )
    if logger:
        sums = sums.where(LogHour.logger == logger)
    query: Select[Any, Any, Any] = sums.group_by(LogHour.hour, LogHour.level)
    if by_day:
        # By the hour first: the key is in that order, which costs SQLite a third of sorting by the day.
        hourly = query.subquery()
        in_utc = func.timezone("UTC", hourly.c.hour) if log.get_bind().dialect.name == "postgresql" else hourly.c.hour
        day = func.date(in_utc, type_=String)
        query = select(day, hourly.c.level, func.sum(hourly.c.count)).group_by(day, hourly.c.level)
    for moment, level, count in log.execute(query):
        yield datetime.fromisoformat(str(moment)).replace(tzinfo=UTC) if by_day else moment, level, int(count)


def _loggers(log: Session, hours: Sequence[ColumnElement[bool]], lowest: int) -> Counter[str]:
    """Return how many rows each logger has."""
    query = select(LogHour.logger, func.sum(LogHour.count - LogHour.without_row)).where(*hours, LogHour.level >= lowest)
    return Counter({logger: int(rows) for logger, rows in log.execute(query.group_by(LogHour.logger))})
