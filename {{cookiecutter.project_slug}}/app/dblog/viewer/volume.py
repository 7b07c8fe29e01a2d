"""How much the log holds, how fast it grows and how large it is on disk; each query of this is quick or bounded."""

import os
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ...database import HOUR, hour_of, utcnow
from ..models import LogEntry, LogHour, LogProblem, LogProblemHour
from .counts import count_rows, count_without_row

RATE_DAYS = 7
STORM_HOURS = 24
STORMS_SHOWN = 5

_POSTGRESQL = (
    "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c"
    " WHERE c.relkind = 'r' AND c.relname LIKE 'log\\_%' AND pg_table_is_visible(c.oid)"
)
_MYSQL = (
    "SELECT sum(data_length + index_length) FROM information_schema.tables"
    " WHERE table_schema = database() AND table_name LIKE 'log\\_%'"
)


def volume(log: Session) -> dict[str, Any]:
    """Return numbers of rows, times of the oldest and the newest, rows a day, bytes on disk, and storms.

    ``records_without_row`` were only counted, see LOG_STORM_ROWS.
    """
    return {
        "rows": count_rows(log),
        "records_without_row": count_without_row(log),
        "oldest": log.scalar(select(func.min(LogEntry.created_at))),
        "newest": log.scalar(select(func.max(LogEntry.created_at))),
        "rows_a_day": _rows_a_day(log),
        "bytes_on_disk": _bytes_on_disk(log),
        "storms": _storms(log),
    }


def _rows_a_day(log: Session) -> int:
    """Return the mean number of rows a day over :data:`RATE_DAYS` days, or over the log's age, at least a day."""
    now = utcnow()
    start = now - timedelta(days=RATE_DAYS)
    first = log.scalar(select(func.min(LogHour.hour)).where(LogHour.hour >= start)) or now
    rows = log.scalar(select(func.sum(LogHour.count - LogHour.without_row)).where(LogHour.hour >= start))
    return round(int(rows or 0) / max(1.0, (now - first) / timedelta(days=1)))


def _bytes_on_disk(log: Session) -> int | None:
    """Return the size of the log's tables with their indexes; on SQLite the size of the whole file."""
    engine = log.get_bind().engine
    if engine.dialect.name == "sqlite":
        files = (f"{engine.url.database}{suffix}" for suffix in ("", "-wal"))
        return sum(os.path.getsize(file) for file in files if os.path.exists(file))
    size = log.scalar(text(_POSTGRESQL if engine.dialect.name == "postgresql" else _MYSQL))
    return None if size is None else int(size)


def _storms(log: Session) -> list[dict[str, Any]]:
    """Return the problems with the most records that were only counted in the last :data:`STORM_HOURS` hours."""
    since = hour_of(utcnow()) - STORM_HOURS * HOUR
    # Usually there was no storm, and the counts by the hour, which are few, tell that at once.
    hours = log.scalars(select(LogHour.hour).where(LogHour.hour >= since, LogHour.without_row > 0).distinct()).all()
    if not hours:
        return []
    without_row = func.sum(LogProblemHour.without_row).label("without_row")
    sums = select(LogProblemHour.fingerprint, without_row).where(
        LogProblemHour.hour.in_(hours), LogProblemHour.without_row > 0
    )
    most = sums.group_by(LogProblemHour.fingerprint).order_by(without_row.desc()).limit(STORMS_SHOWN).subquery()
    query = select(LogProblem.id, LogProblem.title, most.c.without_row)
    found = log.execute(
        query.join(most, most.c.fingerprint == LogProblem.fingerprint).order_by(most.c.without_row.desc())
    )
    return [{"problem": number, "title": title, "records_without_row": int(count)} for number, title, count in found]
