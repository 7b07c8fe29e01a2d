"""The list of problems: which of them, in which order, and how many each view has.

LOG_MAX_PROBLEMS bounds the table, by default to 10,000 problems of a few short columns. So orders and searches need no
indexes of their own, which the writer would have to keep: a request reads the table at most twice, for the page and for
the numbers of the views. A flood of different texts may make ten times as many problems before the writer deletes them.
Those are seen once: they are counted along an index, and the others are found without them. Pages go by key: the
order's column and the problem's number.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from ...database import utcnow
from ...listing import BadFilter, Cursor, Page, parse_text
from ..models import MUTED, OPEN, RESOLVED, LogProblem, LogProblemDay, LogRelease
from .filters import parse_level

NEW, CAME_BACK, CAME_BACK_SINCE, QUIET, ONCE, ALL = "new", "came-back", "came-back-since", "quiet", "once", "all"
#: The open problems without those that were seen once.
_NOT_ONCE = "not-once"
VIEWS = (OPEN, NEW, CAME_BACK, CAME_BACK_SINCE, QUIET, ONCE, RESOLVED, MUTED, ALL)
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_IS_OPEN = LogProblem.status == OPEN
#: The condition of open problems with a single record, about which nobody has decided or written a note.
SEEN_ONCE = and_(_IS_OPEN, LogProblem.count == 1, LogProblem.decided_at.is_(None))
#: The conditions of the other open problems. Each is a range of an index; `NOT SEEN_ONCE` would read all problems.
OPEN_NOT_ONCE = (
    and_(_IS_OPEN, LogProblem.count > 1),
    and_(_IS_OPEN, LogProblem.count == 1, LogProblem.decided_at >= _EPOCH),
)
NOT_SEEN_ONCE = or_(LogProblem.status.in_((RESOLVED, MUTED)), *OPEN_NOT_ONCE)
#: If more problems than this were seen only once, the list of open ones leaves them out, so that a flood of different
#: texts does not hide the others.
MANY_SEEN_ONCE = 1_000
SEEN = "seen"
SORTS: dict[str, InstrumentedAttribute[Any]] = {
    SEEN: LogProblem.last_seen,
    "rows": LogProblem.count,
    "users": LogProblem.users,
    "first": LogProblem.first_seen,
}
PROBLEMS_A_PAGE = 25
CHART_DAYS = 30
#: How many deploys the charts and the line about the deploy look back.
DEPLOYS = 50

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Wanted:
    """Which problems to list, and in which order; ``level`` is the lowest, ``q`` is searched in title and place."""

    status: str = OPEN
    sort: str = SEEN
    level: int = logging.WARNING
    q: str | None = None

    @classmethod
    def parse(cls, terms: Mapping[str, str]) -> "Wanted":
        """Return what is wanted, from texts as people type them. Raises :class:`BadFilter`."""
        status, sort, q = (terms.get(name, "").strip() for name in ("status", "sort", "q"))
        for name, term, choices in (("status", status, VIEWS), ("sort", sort, SORTS)):
            if term and term not in choices:
                raise BadFilter(f"{name}: one of {', '.join(choices)}; not “{term[:50]}”.")
        level = parse_level("level", terms["level"]) if terms.get("level") else logging.WARNING
        return cls(status or OPEN, sort or SEEN, level, parse_text("q", q) or None)


class _Listed(NamedTuple):
    """A problem with the two attributes that :class:`Cursor` is made of; ``created_at`` stands for the order's key."""

    problem: LogProblem
    created_at: datetime
    id: int


def list_problems(
    log: Session,
    wanted: Wanted,
    deployed: datetime | None = None,
    *,
    before: str | None = None,
    after: str | None = None,
    size: int = PROBLEMS_A_PAGE,
    with_once: bool = True,
) -> Page:
    """Return a page of problems, those with the highest key of their order first. Raises :class:`BadFilter`.

    :param deployed: when the newest release was first seen
    :param with_once: False leaves out what was seen once, see :func:`count_left_out`
    """
    column, ascending = SORTS[wanted.sort], bool(after)
    cursor = Cursor.parse(after or before or "") if after or before else None
    conditions = [*_filters(wanted), _views(deployed)[wanted.status if with_once else _NOT_ONCE]]
    if cursor:
        is_time = wanted.sort in (SEEN, "first")
        # A cursor holds a time: a key that is a number is written as so many microseconds since 1970.
        value: Any = cursor.moment if is_time else (cursor.moment - _EPOCH) // _MICROSECOND
        conditions.append(Cursor(value, cursor.id).passed(column, LogProblem.id, ascending=ascending))
    order = [key.asc() if ascending else key.desc() for key in (column, LogProblem.id)]
    problems = log.scalars(select(LogProblem).where(*conditions).order_by(*order).limit(size + 1)).all()
    listed = []
    for problem in problems:
        key = getattr(problem, column.key)
        moment = key if isinstance(key, datetime) else _EPOCH + key * _MICROSECOND
        listed.append(_Listed(problem, moment, problem.id))
    page = Page.of(listed, size, cursor, ascending=ascending)
    return Page([each.problem for each in page.entries], page.newer, page.older)


def tally(log: Session, wanted: Wanted, deployed: datetime | None) -> dict[str, int]:
    """Return how many problems of the wanted level and text each view lists."""
    views = _views(deployed)
    sums = [func.coalesce(func.sum(case((views[view], 1), else_=0)), 0) for view in VIEWS]
    counts = log.execute(select(*sums).where(NOT_SEEN_ONCE, *_filters(wanted))).one()
    numbers = {view: int(count) for view, count in zip(VIEWS, counts, strict=True)}
    is_new = LogProblem.first_seen >= deployed if deployed else false()
    once = select(func.count(), func.coalesce(func.sum(case((is_new, 1), else_=0)), 0))
    count, new = log.execute(once.where(SEEN_ONCE, *_filters(wanted))).one()
    numbers[ONCE] = count
    numbers[ALL] += count
    numbers[OPEN] += count - left_out(count)
    if deployed:
        # A problem with one record was first seen when it was last seen.
        numbers[NEW] += int(new)
        numbers[QUIET] += count - int(new)
    return numbers


def left_out(once: int) -> int:
    """Return how many problems the list of open ones leaves out because too many were seen only once."""
    return once if once > MANY_SEEN_ONCE else 0


def count_left_out(log: Session, wanted: Wanted) -> int:
    """Return how many problems the list leaves out because they were seen once, like too many others."""
    if wanted.status != OPEN:
        return 0
    return left_out(log.scalar(select(func.count(LogProblem.id)).where(SEEN_ONCE, *_filters(wanted))) or 0)


def count_by_day(log: Session, problems: Sequence[LogProblem]) -> dict[int, list[int]]:
    """Return for each problem, by its number, its records on each of the last 30 days (UTC), today last."""
    numbers = {problem.fingerprint: problem.id for problem in problems}
    charts = {number: [0] * CHART_DAYS for number in numbers.values()}
    table, start = LogProblemDay, chart_start()
    query = select(table.fingerprint, table.day, table.count)
    for name, day, count in log.execute(query.where(table.fingerprint.in_(numbers), table.day >= start)):
        charts[numbers[name]][min((day - start) // DAY, CHART_DAYS - 1)] += count
    return charts


def chart_start() -> datetime:
    """Return when the first day of a chart begins."""
    return utcnow().replace(hour=0, minute=0, second=0, microsecond=0) - (CHART_DAYS - 1) * DAY


def recent_deploys(log: Session) -> Sequence[LogRelease]:
    """Return the releases that were first seen last, the newest first."""
    return log.scalars(select(LogRelease).order_by(LogRelease.first_seen.desc()).limit(DEPLOYS)).all()


def is_new(problem: LogProblem, deployed: datetime | None) -> bool:
    """Whether the problem was first seen since the newest release was."""
    return deployed is not None and problem.first_seen >= deployed


def shown_status(problem: LogProblem) -> str:
    """Return the status; a mute whose time is over is open, even if no writer has changed the column yet."""
    lapsed = problem.status == MUTED and problem.muted_until is not None and problem.muted_until <= utcnow()
    return OPEN if lapsed else problem.status


def _views(deployed: datetime | None) -> dict[str, ColumnElement[bool]]:
    lapsed = and_(LogProblem.status == MUTED, LogProblem.muted_until.is_not(None), LogProblem.muted_until <= utcnow())
    is_open = or_(_IS_OPEN, lapsed)
    back = and_(is_open, LogProblem.came_back_at.is_not(None))
    since: dict[str, ColumnElement[bool]] = dict.fromkeys((NEW, CAME_BACK_SINCE, QUIET), false())
    if deployed:
        since = {
            NEW: and_(is_open, LogProblem.first_seen >= deployed),
            CAME_BACK_SINCE: and_(back, LogProblem.came_back_at >= deployed),
            QUIET: and_(is_open, LogProblem.first_seen < deployed, LogProblem.last_seen < deployed),
        }
    muted = and_(LogProblem.status == MUTED, ~lapsed)
    resolved = LogProblem.status == RESOLVED
    views = {OPEN: is_open, _NOT_ONCE: or_(*OPEN_NOT_ONCE, lapsed), CAME_BACK: back, ONCE: SEEN_ONCE, **since}
    return views | {RESOLVED: resolved, MUTED: muted, ALL: true()}


def _filters(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [LogProblem.level >= wanted.level]
    if wanted.q:
        texts = (LogProblem.title, LogProblem.place)
        conditions.append(or_(*(text.icontains(wanted.q, autoescape=True) for text in texts)))
    return conditions
