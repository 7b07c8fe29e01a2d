"""Queries for problems (a problem is all records of one kind): one of them, those of rows, and how many are open."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select, union_all
from sqlalchemy.orm import Session

from ...database import utcnow
from ..models import MUTED, OPEN, LogProblem, LogProblemHour
from .format import columns_as_json
from .problem_list import MANY_SEEN_ONCE, OPEN_NOT_ONCE, SEEN_ONCE, shown_status
from .queries import Entry

#: The tabs count no further than this.
COUNT_CAP = 1_000


def find_problem(log: Session, problem_id: int) -> LogProblem | None:
    """Return the problem of this number, None if there is none."""
    return log.get(LogProblem, problem_id) if problem_id < 2**63 else None


def of_fingerprint(log: Session, fingerprint: str) -> LogProblem | None:
    """Return the problem that records of this fingerprint belong to, None if it is gone."""
    return log.scalar(select(LogProblem).where(LogProblem.fingerprint == fingerprint))


class Known(NamedTuple):
    """The facts of a row's problem that a list of rows shows."""

    id: int
    records: int
    place: str


def of_rows(log: Session, rows: Iterable[Entry]) -> dict[str, Known]:
    """Return what is known of the problem of each row, by fingerprint."""
    query = select(LogProblem.fingerprint, LogProblem.id, LogProblem.count, LogProblem.place)
    found = log.execute(query.where(LogProblem.fingerprint.in_({row.fingerprint for row in rows})))
    return {fingerprint: Known(number, records, place) for fingerprint, number, records, place in found}


def count_without_row(log: Session, problem: LogProblem) -> int:
    """Return how many of the problem's records were only counted, see LOG_STORM_ROWS."""
    hours = select(func.sum(LogProblemHour.without_row))
    return int(log.scalar(hours.where(LogProblemHour.fingerprint == problem.fingerprint)) or 0)


def count_open(log: Session) -> int:
    """Return how many problems of WARNING and above are open, counting no further than :data:`COUNT_CAP` and one.

    A mute that has ended counts as open, although the problem was not seen since. Problems that the list of open ones
    leaves out do not count: see :data:`app.dblog.viewer.problem_list.MANY_SEEN_ONCE`.
    """
    is_open, ended = [LogProblem.status == OPEN], [LogProblem.status == MUTED, LogProblem.muted_until <= utcnow()]
    count = _count(log, COUNT_CAP, is_open, ended)
    if count > COUNT_CAP:
        others = _count(log, COUNT_CAP, *([part] for part in OPEN_NOT_ONCE), ended)
        if others <= COUNT_CAP and _count(log, MANY_SEEN_ONCE, [SEEN_ONCE]) > MANY_SEEN_ONCE:
            return others
    return count


def _count(log: Session, most: int, *parts: Sequence[ColumnElement[bool]]) -> int:
    """Count the problems of WARNING and above that match each part, stopping at ``most`` and one for each."""
    serious = select(LogProblem.id).where(LogProblem.level >= logging.WARNING)
    counted = union_all(*(select(serious.where(*part).limit(most + 1).subquery()) for part in parts)).subquery()
    return log.scalar(select(func.count()).select_from(counted)) or 0


def as_json(problem: LogProblem) -> dict[str, Any]:
    """Return all columns, times as ISO 8601 UTC, and the level's name beside its number; a lapsed mute is open."""
    columns = {column.key: getattr(problem, column.key) for column in LogProblem.__mapper__.column_attrs}
    return columns_as_json(columns | {"status": shown_status(problem)})
