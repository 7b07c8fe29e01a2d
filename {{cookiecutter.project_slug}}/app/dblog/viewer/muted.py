"""Rows of muted problems: what leaves them out of a list, and how many there are to subtract from the counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ...database import utcnow
from ..models import MUTED, LogEntry, LogProblem
from .filters import Filters


def fingerprints() -> Select[Any]:
    """Return the query of the fingerprints that are muted at this moment.

    The writer ends a mute when a record comes after its time. Until then the time alone has ended it.
    """
    still = or_(LogProblem.muted_until.is_(None), LogProblem.muted_until > utcnow())
    return select(LogProblem.fingerprint).where(LogProblem.status == MUTED, still)


def hides(log: Session, filters: Filters) -> bool:
    """Whether the filter leaves out rows of muted problems, and there are such problems."""
    return filters.hides_muted and log.scalar(fingerprints().limit(1)) is not None


def not_muted(column: Any = LogEntry.fingerprint) -> ColumnElement[bool]:
    """Return the condition that a fingerprint is not muted."""
    condition: ColumnElement[bool] = column.not_in(fingerprints())
    return condition


def counts(
    log: Session, moment: InstrumentedAttribute[datetime], times: Sequence[ColumnElement[bool]]
) -> Sequence[Any]:
    """Return fingerprint, hour or day, level, logger and number of rows of muted problems.

    :param moment: the column of the time of :class:`LogProblemHour` or :class:`LogProblemDay`
    :param times: conditions on it
    """
    table = moment.class_
    query = select(table.fingerprint, moment, table.level, table.logger, table.count - table.without_row)
    return log.execute(query.where(table.fingerprint.in_(fingerprints()), *times)).all()


def count_problems(log: Session) -> int:
    """Return how many problems are muted."""
    return log.scalar(select(func.count()).select_from(fingerprints().subquery())) or 0
