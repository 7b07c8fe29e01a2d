"""How much of the log is kept: the hour before which rows are deleted, and about how many such rows are left."""

from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from ..database import HOUR, day_of, hour_of
from .models import LogDay, LogEntry, LogHour

DAY = timedelta(days=1)
AGE, NUMBER = "LOG_RETENTION_DAYS", "LOG_MAX_ROWS"


def find_cutoffs(log: Connection | Session, days: int, max_rows: int, now: datetime) -> dict[str, datetime]:
    """Return for each variable that limits the log the start of the hour before which its limit deletes all rows.

    :param days: rows older than this are deleted, to the hour; 0 keeps all
    :param max_rows: beyond this number the oldest hours are deleted, though never the current one; 0 keeps all
    :param now: the time for which to answer, which may be past: rows of later hours do not count
    """
    this_hour = hour_of(now)
    cutoffs = {AGE: this_hour - timedelta(days=days)} if days else {}
    if max_rows and (full := _full_hour(log, max_rows, this_hour)) is not None:
        cutoffs[NUMBER] = min(full + HOUR, this_hour)
    return cutoffs


def _full_hour(log: Connection | Session, max_rows: int, this_hour: datetime) -> datetime | None:
    """Return the hour at which the rows, counted back from this hour, exceed ``max_rows``; None if they never do.

    The hours of a day are looked at only if the whole day is too much.
    """
    today, kept = day_of(this_hour), 0
    of_day = select(LogDay.day, func.sum(LogDay.count - LogDay.without_row)).where(LogDay.day < today)
    older = log.execute(of_day.group_by(LogDay.day).order_by(LogDay.day.desc())).all()
    # Today is counted by the hour, since its later hours do not count.
    for day, count in chain([(today, None)], older):
        if count is not None and kept + count <= max_rows:
            kept += count
            continue
        hours = select(LogHour.hour, func.sum(LogHour.count - LogHour.without_row))
        hours = hours.where(LogHour.hour >= day, LogHour.hour < day + DAY, LogHour.hour <= this_hour)
        for hour, rows in log.execute(hours.group_by(LogHour.hour).order_by(LogHour.hour.desc())):
            kept += rows
            if kept > max_rows:
                return hour
    return None


def estimate_older(log: Connection | Session, cutoff: datetime) -> int:
    """Return about how many rows are from before the cutoff, which is the start of an hour.

    The counts of an hour stay until its last row is gone. So the oldest hour is counted in part, as if its records had
    come evenly and the ones before the oldest row were gone.
    """
    oldest: datetime | None = log.scalar(select(func.min(LogEntry.created_at)))
    if oldest is None or oldest >= cutoff:
        return 0
    first = hour_of(oldest)
    counts = select(func.sum(LogHour.count - LogHour.without_row))
    in_first = int(log.scalar(counts.where(LogHour.hour == first)) or 0)
    after = int(log.scalar(counts.where(LogHour.hour > first, LogHour.hour < cutoff)) or 0)
    return max(1, round(in_first * (1 - (oldest - first) / HOUR))) + after
