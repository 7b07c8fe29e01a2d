"""Total, facets and histogram of a list of rows, from the counts that the writer keeps by the hour and by the day.

This module never counts rows, so each of its numbers is one of whole hours. If the filter's times are on the hour, the
numbers are exactly those of the listed rows: records without a row (LOG_STORM_ROWS) and rows of muted problems are
subtracted. Otherwise the histogram shows each hour that the filter touches, and no total is given.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from ...database import HOUR, day_of, hour_of, utcnow
from ..models import LogDay, LogHour, LogProblemDay, LogProblemHour
from . import muted
from .filters import Filters

MAX_HOURS = 62 * 24
MAX_BARS = 60
MAX_LOGGERS = 50
#: A page shows a larger total as "10,000+".
CAP = 10_000
#: How many hours a bar may stand for. A week has a bar for each day: a bar for each hour would read 24 times as many
#: counts.
WIDTHS = (1, 2, 24)
DAY = 24

Moment = InstrumentedAttribute[datetime]
#: The time's column in the counts of all rows, and the one in the counts of problems.
HOURS: tuple[Moment, Moment] = (LogHour.hour, LogProblemHour.hour)
DAYS: tuple[Moment, Moment] = (LogDay.day, LogProblemDay.day)


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram: ``levels`` has the number of rows of each level from ``start`` to before ``end``."""

    start: datetime
    end: datetime
    levels: Counter[int]


class Part(NamedTuple):
    """A span of whole hours or whole days, from ``start`` to before ``end``; None is no end."""

    unit: tuple[Moment, Moment]
    start: datetime
    end: datetime | None

    def of_all(self) -> tuple[Moment, list[ColumnElement[bool]]]:
        return self._within(self.unit[0])

    def of_problems(self) -> tuple[Moment, list[ColumnElement[bool]]]:
        return self._within(self.unit[1])

    def _within(self, moment: Moment) -> tuple[Moment, list[ColumnElement[bool]]]:
        return moment, [moment >= self.start, moment < self.end] if self.end else [moment >= self.start]


@dataclass(frozen=True)
class Overview:
    """The numbers beside a list of rows. ``levels`` ignores the filter's level, ``loggers`` its logger.

    ``hidden`` is how many rows are left out because they belong to muted problems, and ``hidden_problems`` how many
    problems these are. ``total`` and ``hidden`` are None if the filter takes only a part of an hour.
    """

    total: int | None
    bars: Sequence[Bar]
    levels: Mapping[int, int]
    loggers: Sequence[tuple[str, int]]
    hidden: int | None
    hidden_problems: int


def overview(log: Session, filters: Filters) -> Overview | None:
    """Return what the counts say about the filter's rows.

    None if the filter has a condition by which nothing is counted, or if its time is longer than MAX_HOURS.
    """
    uncounted = filters.q, filters.request, filters.release, filters.ip, filters.path, filters.user, filters.problem
    if any(value is not None for value in uncounted):
        return None
    next_hour = hour_of(utcnow()) + HOUR
    oldest = log.scalar(select(func.min(LogHour.hour))) or next_hour
    start = hour_of(filters.since) if filters.since else oldest
    end = min(hour_of(filters.until - timedelta(microseconds=1)) + HOUR, next_hour) if filters.until else next_hour
    if end - start > MAX_HOURS * HOUR:
        return None
    lowest = filters.level or 0
    numbers: Counter[tuple[datetime, int]] = Counter()
    loggers: Counter[str] = Counter()
    hidden: Counter[str] = Counter()
    width, bars = _bars(start, end)
    # Pruning deletes table after table, so only some tables may still have counts from before the oldest hour.
    since, until = max(start, oldest), filters.until
    parts = [*_parts(since, until)]
    for logger, rows in _all(log, parts, partial(_by_logger, lowest=lowest)):
        loggers[logger] += int(rows)
    timed = parts if width == DAY else [Part(HOURS, since, until)]
    for moment, level, rows in _all(log, timed, partial(_by_time, logger=filters.logger)):
        numbers[moment, level] += int(rows)
    for fingerprint, moment, level, logger, rows in _all(log, timed, _of_muted) if filters.hides_muted else ():
        if filters.logger in (None, logger):
            numbers[moment, level] -= rows
            hidden[fingerprint] += rows * (level >= lowest)
        loggers[logger] -= rows * (level >= lowest)
    levels: Counter[int] = Counter()
    for (moment, level), rows in numbers.items():
        levels[level] += rows
        # Hosts whose clocks are ahead send rows of the future, for which there is no bar.
        if level >= lowest and (bar := bars.get(_bar_start(moment, width))):
            bar.levels[level] += rows
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
    return int(log.scalar(select(_rows(LogDay))) or 0)


def count_without_row(log: Session) -> int:
    """Return how many records were only counted, see LOG_STORM_ROWS."""
    return int(log.scalar(select(func.sum(LogDay.without_row))) or 0)


def _bars(start: datetime, end: datetime) -> tuple[int, dict[datetime, Bar]]:
    """Return how many hours wide a bar is, and the empty bars from ``start`` to ``end``, by their ``_bar_start``."""
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


def _parts(start: datetime, end: datetime | None) -> Iterator[Part]:
    """Yield the parts of a time span: the hours before its first whole day, its whole days, the hours after the last.

    :param start: the start of an hour
    :param end: the first moment after the span, None for no end
    """
    first = day_of(start + 23 * HOUR)
    last = day_of(end) if end else None
    if end and last and last <= first:
        yield Part(HOURS, start, end)
        return
    if start < first:
        yield Part(HOURS, start, first)
    yield Part(DAYS, first, last)
    if end and last and last < end:
        yield Part(HOURS, last, end)


def _all(log: Session, parts: Sequence[Part], query: Callable[[Part], Select[Any]]) -> Sequence[Any]:
    """Return what the query finds in all the parts; to ask for each of them would take longer than the answers."""
    return log.execute(union_all(*map(query, parts))).all()


def _by_time(part: Part, logger: str | None) -> Select[Any]:
    """Return the query of the number of rows for each hour or day and each level."""
    moment, times = part.of_all()
    query = select(moment, moment.class_.level, _rows(moment.class_)).where(*times)
    if logger:
        query = query.where(moment.class_.logger == logger)
    return query.group_by(moment, moment.class_.level)


def _by_logger(part: Part, lowest: int) -> Select[Any]:
    """Return the query of loggers, and how many rows each has."""
    moment, times = part.of_all()
    query = select(moment.class_.logger, _rows(moment.class_)).where(*times, moment.class_.level >= lowest)
    return query.group_by(moment.class_.logger)


def _of_muted(part: Part) -> Select[Any]:
    return muted.counts(*part.of_problems())


def _rows(table: Any) -> Any:
    return func.sum(table.count - table.without_row)
