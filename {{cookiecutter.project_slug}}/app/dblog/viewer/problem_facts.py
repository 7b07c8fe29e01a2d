"""What the page of one problem shows around its rows: days, deploys, users, and what the request did."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...listing import BadFilter
from ..models import CAME_BACK, RESOLVED, LogDecision, LogEntry, LogProblem, LogProblemUser, LogRelease
from .blueprint import bp
from .paging import Source, keys_of
from .problem_list import CHART_DAYS, DAY, chart_start
from .queries import LIST_COLUMNS, Entry, find

MOST_HIT = 5
#: How far the rows since the problem was resolved are counted.
SINCE_CAP = 1_000
#: A problem grows if today has at least GROWN_TIMES times the records of its usual day, and at least GROWN_RECORDS. It
#: has a usual day once the chart has GROWN_DAYS days of it before today.
GROWN_TIMES, GROWN_RECORDS, GROWN_DAYS = 3, 10, 7
#: How many rows of a request are looked at, and how many are shown.
REQUEST_CAP, REQUEST_ROWS = 500, 30


class Deploy(NamedTuple):
    """A release, when it was first seen, and its place in the chart in days from the left."""

    release: str
    first_seen: datetime
    place: float


class Growth(NamedTuple):
    """How many times as many records today has as a usual day, rounded down, and the rule in words."""

    times: int
    rule: str


class RequestRows(NamedTuple):
    """Rows of one request in the order of time, how many there are, and the time between the first and the last.

    ``total`` counts no further than :data:`REQUEST_CAP`; ``took`` is None if there are more.
    """

    entries: Sequence[Entry]
    total: int
    took: timedelta | None


def find_entry(log: Session, problem: LogProblem, number: int | None) -> Entry | None:
    """Return a row of the problem with all its columns: the one of this number, or the newest without a number.

    None if retention has deleted all rows of the problem; raises :class:`BadFilter` if it has no row of this number.
    """
    if number is None:
        newest = keys_of(log, Source(LogEntry.fingerprint, problem.fingerprint), [], ascending=False)
        key = log.execute(newest.limit(1)).first()
        return find(log, key.id) if key else None
    entry = find(log, number)
    if entry is None or entry.fingerprint != problem.fingerprint:
        raise BadFilter(f"row: the problem has no row {number}, or not any more.")
    return entry


def days_of_chart() -> Sequence[datetime]:
    """Return the days (their start, UTC) of :func:`app.dblog.viewer.problem_list.count_by_day`, today last."""
    return [chart_start() + number * DAY for number in range(CHART_DAYS)]


def place_deploys(releases: Sequence[LogRelease]) -> Sequence[Deploy]:
    """Return those releases that were first seen in the days of the chart."""
    start = chart_start()
    return [
        Deploy(each.release, each.first_seen, min((each.first_seen - start) / DAY, CHART_DAYS))
        for each in releases
        if each.first_seen >= start
    ]


@bp.app_template_global("log_growth")
def growth(first_seen: datetime, counts: Sequence[int]) -> Growth | None:
    """Return how much more of a problem there is today than on its usual day, None if that is not much more.

    The usual day is the mean of the chart's days before today since the problem was first seen. It counts as at least
    one record: otherwise the factor of a problem that was quiet for a month would have no limit.

    :param counts: the problem's records by day, as :func:`app.dblog.viewer.problem_list.count_by_day` returns them
    """
    today, before = counts[-1], counts[max((first_seen - chart_start()) // DAY, 0) : -1]
    if len(before) < GROWN_DAYS or today < GROWN_RECORDS:
        return None
    usual = sum(before) / len(before)
    if today < GROWN_TIMES * max(usual, 1):
        return None
    rule = (
        f"{today:,} records today, {usual:,.1f} a day in the {len(before)} days before (UTC). "
        f"Marked from {GROWN_TIMES} times as many and {GROWN_RECORDS} records on."
    )
    return Growth(int(today / max(usual, 1)), rule)


def rows_since_resolved(log: Session, problem: LogProblem) -> int | None:
    """Return how many rows came since the problem was last resolved; None if it never was, or if that was undone."""
    moment = problem.resolved_at
    if moment is None and problem.came_back_at:
        resolved = select(LogDecision.created_at).where(
            LogDecision.fingerprint == problem.fingerprint, LogDecision.action == RESOLVED
        )
        moment = log.scalar(resolved.order_by(LogDecision.id.desc()).limit(1))
    if moment is None:
        return None
    newer = select(LogEntry.id).where(LogEntry.fingerprint == problem.fingerprint, LogEntry.created_at > moment)
    return log.scalar(select(func.count()).select_from(newer.limit(SINCE_CAP + 1).subquery())) or 0


def waits(history: Sequence[LogDecision]) -> dict[int, timedelta]:
    """Return how long after it was resolved the problem came back, by the number of the history's line that says so.

    :param history: the lines, newest first; a return is left out if the resolution before it is not among them
    """
    found: dict[int, timedelta] = {}
    resolved_at = None
    for line in reversed(history):
        if line.action == RESOLVED:
            resolved_at = line.created_at
        elif line.action == CAME_BACK and resolved_at:
            found[line.id] = line.created_at - resolved_at
    return found


def most_hit(log: Session, problem: LogProblem) -> Sequence[LogProblemUser]:
    """Return the users with the most records of the problem, with their counts."""
    users = select(LogProblemUser).where(LogProblemUser.fingerprint == problem.fingerprint)
    return log.scalars(users.order_by(LogProblemUser.count.desc(), LogProblemUser.user_id).limit(MOST_HIT)).all()


def rows_of_request(log: Session, entry: Entry) -> RequestRows:
    """Return the rows of a row's request around that row, as many before it as after it.

    A job has the same id in each of its runs, so nothing tells the rows of one run: only the row itself is returned.
    """
    if not entry.request_id or not entry.method:
        return RequestRows([entry], 1, None)
    # The query asks for no order: a database must not sort all rows of a request that logs without end.
    some = select(LogEntry.created_at, LogEntry.id).where(LogEntry.request_id == entry.request_id).limit(REQUEST_CAP)
    keys = sorted({(key.created_at, key.id) for key in log.execute(some)} | {(entry.created_at, entry.id)})
    here = keys.index((entry.created_at, entry.id))
    start = max(0, min(here - REQUEST_ROWS // 2, len(keys) - REQUEST_ROWS))
    shown = [number for _, number in keys[start : start + REQUEST_ROWS]]
    rows = select(*LIST_COLUMNS).where(LogEntry.id.in_(shown)).order_by(LogEntry.created_at, LogEntry.id)
    took = keys[-1][0] - keys[0][0] if len(keys) < REQUEST_CAP else None
    return RequestRows(log.execute(rows).all(), min(len(keys), REQUEST_CAP), took)
