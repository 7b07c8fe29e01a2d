"""Groups of like records: lists, charts, and what was decided about them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, union_all, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from ...database import LOG, db, hour_of, utcnow
from ...listing import BadFilter, check_text, parse_time
from ..errors import Unreadable, is_transient
from ..models import MUTED, OPEN, RESOLVED, LogEntry, LogGroup, LogGroupHour
from .format import level_name
from .queries import ALL_COLUMNS, Entry

STATUSES = (OPEN, RESOLVED, MUTED)
ALL = "all"
PAGE_SIZE = 25
HOURS = 24
COUNT_CAP = 1_000
PATIENCE = 10.0


@dataclass(frozen=True)
class Groups:
    """Groups, the last seen first, and the cursor of the page after this."""

    groups: Sequence[LogGroup]
    older: str | None


def list_groups(log: Session, status: str = OPEN, before: str | None = None, size: int = PAGE_SIZE) -> Groups:
    """One page of the groups of a status, or of :data:`ALL`; raises :class:`BadFilter`."""
    if status not in (*STATUSES, ALL):
        raise BadFilter(f"status: one of {', '.join(STATUSES)} or {ALL}; not “{status[:50]}”.")
    order = LogGroup.last_seen.desc(), LogGroup.fingerprint.desc()
    beyond = [_beyond(before)] if before else []
    parts = [
        select(LogGroup.fingerprint).where(LogGroup.status == each, *beyond).order_by(*order).limit(size + 1).subquery()
        for each in (STATUSES if status == ALL else (status,))
    ]
    chosen = union_all(*(select(part) for part in parts)).subquery()
    query = select(LogGroup).join(chosen, LogGroup.fingerprint == chosen.c.fingerprint).order_by(*order)
    groups = log.scalars(query.limit(size + 1)).all()
    more = len(groups) > size
    return Groups(groups[:size], _cursor(groups[size - 1]) if more else None)


def find_group(log: Session, fingerprint: str) -> LogGroup | None:
    return log.get(LogGroup, fingerprint) if len(fingerprint) <= 40 else None


def last_entry(log: Session, fingerprint: str) -> Entry | None:
    """The newest row of a group, with all its columns."""
    query = select(*ALL_COLUMNS).where(LogEntry.fingerprint == fingerprint)
    return log.execute(query.order_by(LogEntry.created_at.desc(), LogEntry.id.desc()).limit(1)).first()


def sizes(log: Session, fingerprints: Iterable[str]) -> dict[str, int]:
    """How many rows the groups of these fingerprints have."""
    query = select(LogGroup.fingerprint, LogGroup.count.label("size"))
    found = log.execute(query.where(LogGroup.fingerprint.in_(set(fingerprints))))
    return {row.fingerprint: row.size for row in found}


def charts(log: Session, fingerprints: Sequence[str], hours: int = HOURS) -> Mapping[str, list[int]]:
    """How many rows each group had in each of the last hours, the current one last."""
    start = hour_of(utcnow()) - timedelta(hours=hours - 1)
    charts = {fingerprint: [0] * hours for fingerprint in fingerprints}
    query = select(LogGroupHour).where(LogGroupHour.fingerprint.in_(charts), LogGroupHour.hour >= start)
    for bar in log.scalars(query):
        place = int((bar.hour - start) / timedelta(hours=1))
        charts[bar.fingerprint][min(place, hours - 1)] += bar.count
    return charts


def as_json(group: LogGroup) -> dict[str, Any]:
    """All columns, times as ISO 8601 UTC, the level's name beside its number."""
    columns = {column.key: getattr(group, column.key) for column in LogGroup.__mapper__.column_attrs}
    times = {name: columns[name].isoformat() for name in ("first_seen", "last_seen")}
    return columns | times | {"level_name": level_name(group.level)}


def tally(log: Session) -> dict[str, int]:
    """How many groups there are of each status, counting no further than :data:`COUNT_CAP` and one."""
    tallies = {}
    for status in STATUSES:
        capped = select(LogGroup.fingerprint).where(LogGroup.status == status).limit(COUNT_CAP + 1).subquery()
        tallies[status] = log.scalar(select(func.count()).select_from(capped)) or 0
    return tallies


def decide(fingerprint: str, status: str) -> bool:
    """Resolve, mute or reopen a group; False if there is none. Raises :class:`Unreadable`."""
    change = update(LogGroup).where(LogGroup.fingerprint == fingerprint).values(status=status)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with db.engines[LOG].begin() as connection:
                changed = connection.execute(change)
                return bool(changed.rowcount)
        except SQLAlchemyError as error:
            # A writer at full speed holds SQLite's only lock most of the time.
            busy = is_transient(error) or isinstance(error, PoolTimeout)
            if not busy or time.monotonic() > end:
                raise Unreadable(error, db.engines[LOG]) from error
            time.sleep(0.02)


def _cursor(group: LogGroup) -> str:
    return f"{group.last_seen.isoformat()}_{group.fingerprint}"


def _beyond(cursor: str) -> ColumnElement[bool]:
    moment, _, fingerprint = cursor.partition("_")
    check_text("before", fingerprint)
    seen = parse_time("before", moment)
    earlier = or_(LogGroup.last_seen < seen, LogGroup.fingerprint < fingerprint)
    return (LogGroup.last_seen <= seen) & earlier
