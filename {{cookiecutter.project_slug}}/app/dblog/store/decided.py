"""When a new record undoes what was decided about its problem: a resolved problem comes back, a mute ends."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from ..models import CAME_BACK, MUTE_ENDED, OPEN, RESOLVED, LogDecision, LogProblem
from .rows import Row

_problem, _decision = (LogProblem.metadata.tables[model.__tablename__] for model in (LogProblem, LogDecision))
_COLUMNS = ("fingerprint", "status", "count", "resolved_at", "in_next_deploy", "muted_until", "muted_until_count")
# The statement is made once, since it runs for each batch.
_DECIDED = select(*(_problem.c[name] for name in _COLUMNS)).where(
    _problem.c.fingerprint.in_(bindparam("fingerprints", expanding=True)), _problem.c.status != OPEN
)


def reopen(connection: Connection, members: Mapping[str, Sequence[Row]], releases: Mapping[str, datetime]) -> None:
    """Open the problems that a new record brings back, and write that into their history.

    A record older than the decision brings nothing back: it may come late, from a dead process's journal.

    :param members: the batch's rows by fingerprint; their problems' counts include them already
    :param releases: when each of the rows' releases was first seen
    """
    for problem in sorted(connection.execute(_DECIDED, {"fingerprints": [*members]})):
        row = _opening_row(problem, members[problem.fingerprint], releases)
        if row is None:
            continue
        came_back = problem.status == RESOLVED
        connection.execute(
            update(_problem)
            .where(_problem.c.fingerprint == problem.fingerprint)
            .values(
                status=OPEN,
                resolved_at=None,
                came_back_at=row["created_at"] if came_back else None,
                in_next_deploy=False,
                muted_until=None,
                muted_until_count=None,
            )
        )
        event = {
            "fingerprint": problem.fingerprint,
            "created_at": row["created_at"],
            "action": CAME_BACK if came_back else MUTE_ENDED,
            "detail": row["release"],
        }
        connection.execute(insert(_decision).values(event))


def _opening_row(problem: Any, rows: Sequence[Row], releases: Mapping[str, datetime]) -> Row | None:
    """Return the earliest row that opens the problem, None if none does."""

    def opens(row: Row) -> bool:
        moment = row["created_at"]
        if problem.status == RESOLVED:
            if problem.resolved_at is None:
                # Somebody has changed the status in the database by hand.
                return True
            deployed = releases.get(row["release"])
            is_next = not problem.in_next_deploy or (deployed is not None and deployed > problem.resolved_at)
            return bool(moment > problem.resolved_at) and is_next
        most, until = problem.muted_until_count, problem.muted_until
        return (until is not None and moment >= until) or (most is not None and problem.count >= most)

    return min(filter(opens, rows), key=lambda row: row["created_at"], default=None)
