"""Problems, each all records of one kind: one of them, those of rows, and how many are open."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from ...database import HOUR, hour_of, utcnow
from ..models import MUTED, OPEN, RESOLVED, LogEntry, LogProblem, LogProblemHour
from .format import columns_as_json
from .queries import ALL_COLUMNS, Entry

STATUSES = (OPEN, RESOLVED, MUTED)
ALL = "all"
CHART_HOURS = 24
#: The tabs count no further than this.
COUNT_CAP = 1_000


def find_problem(log: Session, problem_id: int) -> LogProblem | None:
    """Return the problem of this number, None if there is none."""
    return log.get(LogProblem, problem_id) if problem_id < 2**63 else None


def of_fingerprint(log: Session, fingerprint: str) -> LogProblem | None:
    """Return the problem that records of this fingerprint belong to, None if it is gone."""
    return log.scalar(select(LogProblem).where(LogProblem.fingerprint == fingerprint))


class Known(NamedTuple):
    """What a list of rows shows of a row's problem."""

    id: int
    records: int
    place: str


def of_rows(log: Session, rows: Iterable[Entry]) -> dict[str, Known]:
    """Return what is known of the problem of each row, by fingerprint."""
    query = select(LogProblem.fingerprint, LogProblem.id, LogProblem.count, LogProblem.place)
    found = log.execute(query.where(LogProblem.fingerprint.in_({row.fingerprint for row in rows})))
    return {fingerprint: Known(number, records, place) for fingerprint, number, records, place in found}


def last_entry(log: Session, problem: LogProblem) -> Entry | None:
    """Return the problem's newest row with all its columns, None if retention has taken its rows."""
    query = select(*ALL_COLUMNS).where(LogEntry.fingerprint == problem.fingerprint)
    return log.execute(query.order_by(LogEntry.created_at.desc(), LogEntry.id.desc()).limit(1)).first()


def charts(log: Session, problems: Sequence[LogProblem]) -> Mapping[int, list[int]]:
    """Return for each problem, by its number, its records in each of the last hours, the current hour last."""
    start = hour_of(utcnow()) - (CHART_HOURS - 1) * HOUR
    numbers = {problem.fingerprint: problem.id for problem in problems}
    charts = {number: [0] * CHART_HOURS for number in numbers.values()}
    query = select(LogProblemHour).where(LogProblemHour.fingerprint.in_(numbers), LogProblemHour.hour >= start)
    for bar in log.scalars(query):
        place = (bar.hour - start) // HOUR
        charts[numbers[bar.fingerprint]][min(place, CHART_HOURS - 1)] += bar.count
    return charts


def count_without_row(log: Session, problem: LogProblem) -> int:
    """Return how many of the problem's records were only counted, see LOG_STORM_ROWS."""
    hours = select(func.sum(LogProblemHour.without_row))
    return int(log.scalar(hours.where(LogProblemHour.fingerprint == problem.fingerprint)) or 0)


def count_open(log: Session) -> int:
    """Return how many problems of WARNING and above are open, counting no further than :data:`COUNT_CAP` and one.

    A mute that has ended counts as open, although the problem was not seen since.
    """
    serious = select(LogProblem.id).where(LogProblem.level >= logging.WARNING)
    ended = LogProblem.status == MUTED, LogProblem.muted_until <= utcnow()
    parts = [serious.where(LogProblem.status == OPEN), serious.where(*ended)]
    counted = union_all(*(select(part.limit(COUNT_CAP + 1).subquery()) for part in parts)).subquery()
    return log.scalar(select(func.count()).select_from(counted)) or 0


def as_json(problem: LogProblem) -> dict[str, Any]:
    """Return all columns, times as ISO 8601 UTC, and the level's name beside its number."""
    return columns_as_json({column.key: getattr(problem, column.key) for column in LogProblem.__mapper__.column_attrs})
