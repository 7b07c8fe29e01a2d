"""How much of the log is kept: before which hour rows are to go, and about how many of them are still there."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from ..database import HOUR, hour_of
from .models import LogEntry, LogHour

AGE, NUMBER = "LOG_RETENTION_DAYS", "LOG_MAX_ROWS"


def find_cutoffs(log: Connection | Session, days: int, max_rows: int, now: datetime) -> dict[str, datetime]:
    """Return by each variable that limits the log the start of the hour before which it lets no row stay.

    :param days: rows older than this go, to the hour; 0 keeps all
    :param max_rows: beyond this number the oldest hours go, though never the current one; 0 keeps all
    :param now: the time, which may be past: what was logged in later hours does not count
    """
    this_hour = hour_of(now)
    cutoffs = {AGE: this_hour - timedelta(days=days)} if days else {}
    if max_rows:
        hours = select(LogHour.hour, func.sum(LogHour.count - LogHour.without_row)).where(LogHour.hour <= this_hour)
        kept = 0
        for hour, count in log.execute(hours.group_by(LogHour.hour).order_by(LogHour.hour.desc())):
            kept += count
            if kept > max_rows:
                cutoffs[NUMBER] = min(hour + HOUR, this_hour)
                break
    return cutoffs


def estimate_older(log: Connection | Session, cutoff: datetime) -> int:
    """Return about how many rows are from before the cutoff, which is the start of an hour.

    The counts of an hour are there until its last row is gone. So the oldest hour counts for the part of it that is
    left, as if its records had come evenly.
    """
    oldest: datetime | None = log.scalar(select(func.min(LogEntry.created_at)))
    if oldest is None or oldest >= cutoff:
        return 0
    first = hour_of(oldest)
    counts = select(func.sum(LogHour.count - LogHour.without_row))
    in_first = int(log.scalar(counts.where(LogHour.hour == first)) or 0)
    after = int(log.scalar(counts.where(LogHour.hour > first, LogHour.hour < cutoff)) or 0)
    return max(1, round(in_first * (1 - (oldest - first) / HOUR))) + after
