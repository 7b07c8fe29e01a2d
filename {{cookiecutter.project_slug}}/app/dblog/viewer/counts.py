"""Totals, facets and the histogram, from the counts that the writer keeps by the hour; no row is counted twice."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, func, select
from sqlalchemy.orm import Session

from ...database import utcnow
from ..models import LogEntry, LogHour, hour_of
from .filters import Filters
from .queries import levels_from

HOUR = timedelta(hours=1)
MOST_HOURS = 62 * 24
MOST_BARS = 60
MOST_LOGGERS = 50
CAP = 10_000
#: Rows of an hour that are counted by level and logger where the filter cuts it.
FEW = 1_000
#: Hours a bar may stand for, if not a day.
WIDTHS = (1, 2, 3)
DAY = 24 * HOUR

Condition = ColumnElement[bool]


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram: its time and how many rows of each level."""

    start: datetime
    end: datetime
    levels: Counter[int]


@dataclass(frozen=True)
class Overview:
    """``total`` is exact up to :data:`CAP` and one more beyond; the facets ignore their own filter."""

    total: int
    bars: Sequence[Bar]
    levels: Counter[int]
    loggers: Sequence[tuple[str, int]]


def overview(log: Session, filters: Filters) -> Overview | None:
    """What the counts by the hour tell of these rows; None where they cannot tell."""
    if filters.q or filters.request or filters.user is not None or filters.problem is not None:
        return None
    now = utcnow()
    end = min(filters.until or now, now)
    start = hour_of(filters.since or log.scalar(select(func.min(LogHour.hour))) or end)
    if not timedelta() <= end - start <= MOST_HOURS * HOUR:
        return None
    # The last one too where it is but an instant: rows of that very moment are shown.
    hours = [LogHour.hour >= start, LogHour.hour <= end]
    bars = _bars(start, end)
    _fill(log, bars, hours, filters.logger)
    lowest = filters.level or 0
    loggers = _loggers(log, hours, lowest)
    cut = [hour for hour in _cut_hours(filters) if hour <= end]
    whole = [hour for hour in cut if not _correct(log, filters, hour, _bar(bars, hour).levels, loggers)]
    levels = sum((bar.levels for bar in bars), Counter[int]())
    total = _total(log, filters, sum(count for level, count in levels.items() if level >= lowest), whole)
    for bar in bars:
        for level in [level for level, count in bar.levels.items() if level < lowest or not count]:
            del bar.levels[level]
    ranked = sorted((+loggers).items(), key=lambda item: (-item[1], item[0]))
    return Overview(total, bars, levels, ranked)


def count_rows(log: Session) -> int:
    """How many rows the log has."""
    return int(log.scalar(select(func.sum(LogHour.count))) or 0)


def _bars(start: datetime, end: datetime) -> list[Bar]:
    """Empty bars for the time from ``start`` to ``end``, each of some hours or, beyond a week, of a day."""
    hours = int((hour_of(end) - start) / HOUR) + 1
    width = next((width for width in WIDTHS if hours <= width * MOST_BARS), 24)
    if width == 24:
        start = start.replace(hour=0)
    bars: list[Bar] = []
    while start < end or not bars:
        bars.append(Bar(start, start + width * HOUR, Counter()))
        start += width * HOUR
    return bars


def _fill(log: Session, bars: Sequence[Bar], hours: Sequence[Condition], logger: str | None) -> None:
    width = bars[0].end - bars[0].start
    sums = select(LogHour.hour, LogHour.level, func.sum(LogHour.count).label("count")).where(*hours)
    if logger:
        sums = sums.where(LogHour.logger == logger)
    query: Select[Any, Any, Any] = sums.group_by(LogHour.hour, LogHour.level)
    if width == DAY:
        # By the hour first: the key is in that order, which costs SQLite a third of sorting by the day.
        hourly = query.subquery()
        day = _day(log, hourly.c.hour)
        query = select(day, hourly.c.level, func.sum(hourly.c.count)).group_by(day, hourly.c.level)
    for moment, level, count in log.execute(query):
        if width == DAY:
            moment = datetime.fromisoformat(str(moment)).replace(tzinfo=UTC)
        _bar(bars, moment).levels[level] += int(count)


def _bar(bars: Sequence[Bar], hour: datetime) -> Bar:
    place = int((hour - bars[0].start) / (bars[0].end - bars[0].start))
    return bars[min(place, len(bars) - 1)]


def _day(log: Session, hour: ColumnElement[Any]) -> ColumnElement[Any]:
    """The day of an hour, UTC, as text or date."""
    if log.get_bind().dialect.name == "postgresql":
        return func.date_trunc("day", func.timezone("UTC", hour), type_=String)
    return func.date(hour, type_=String)


def _loggers(log: Session, hours: Sequence[Condition], lowest: int) -> Counter[str]:
    total = func.sum(LogHour.count)
    query = select(LogHour.logger, total).where(*hours, LogHour.level >= lowest).group_by(LogHour.logger)
    ranked = log.execute(query.order_by(total.desc(), LogHour.logger).limit(MOST_LOGGERS))
    return Counter({logger: int(count) for logger, count in ranked})


def _cut_hours(filters: Filters) -> set[datetime]:
    """The hours of which the filter takes a part."""
    hours = {hour_of(filters.until)} if filters.until else set()
    if filters.since and filters.since != hour_of(filters.since):
        hours.add(hour_of(filters.since))
    return hours


def _correct(log: Session, filters: Filters, hour: datetime, levels: Counter[int], loggers: Counter[str]) -> bool:
    """Take from the counts what the filter cuts off an hour; False if it leaves too many rows to tell them apart."""
    part = select(LogEntry.level, LogEntry.logger).where(*_within(filters, hour)).limit(FEW + 1).subquery()
    kinds = select(part.c.level, part.c.logger, func.count()).group_by(part.c.level, part.c.logger)
    left = log.execute(kinds).all()
    if sum(count for _, _, count in left) > FEW:
        return False
    all_of_it = select(LogHour.level, LogHour.logger, LogHour.count).where(LogHour.hour == hour)
    off = Counter({(level, logger): count for level, logger, count in log.execute(all_of_it)})
    off.subtract({(level, logger): count for level, logger, count in left})
    for (level, logger), count in off.items():
        if filters.logger in (None, logger):
            levels[level] -= count
        if level >= (filters.level or 0) and logger in loggers:
            loggers[logger] -= count
    return True


def _total(log: Session, filters: Filters, total: int, whole: Sequence[datetime]) -> int:
    """The sum of the counts, with the rows themselves counted of those hours that are in it whole, but cut."""
    rows = select(func.sum(LogHour.count)).where(LogHour.hour.in_(whole), LogHour.level >= (filters.level or 0))
    if filters.logger:
        rows = rows.where(LogHour.logger == filters.logger)
    if whole:
        total -= int(log.scalar(rows) or 0)
    if total <= CAP:
        total += sum(_count(log, filters, hour) for hour in whole)
    return min(total, CAP + 1)


def _count(log: Session, filters: Filters, hour: datetime) -> int:
    conditions = _within(filters, hour)
    if filters.level is not None:
        conditions.append(LogEntry.level.in_(levels_from(log, filters.level)))
    if filters.logger:
        conditions.append(LogEntry.logger == filters.logger)
    capped = select(LogEntry.id).where(*conditions).limit(CAP + 1).subquery()
    return log.scalar(select(func.count()).select_from(capped)) or 0


def _within(filters: Filters, hour: datetime) -> list[Condition]:
    """What the filter leaves of an hour."""
    times: list[Condition] = [
        LogEntry.created_at >= max(hour, filters.since or hour),
        LogEntry.created_at < hour + HOUR,
    ]
    if filters.until:
        times.append(LogEntry.created_at <= filters.until)
    return times
