"""What LOG_MAX_PROBLEMS has dropped goes on where it was when it is seen again: its rows, counts and users stayed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from ..models import LogEntry, LogProblem, LogProblemDay, LogProblemUser

_entry, _day, _user = (
    LogProblem.metadata.tables[model.__tablename__].c for model in (LogEntry, LogProblemDay, LogProblemUser)
)
_NAMES: BindParameter[Any] = bindparam("names", expanding=True)
# Made once: a flood of different texts asks the first in each batch.
_COUNTS = (
    select(_day.fingerprint, func.sum(_day["count"]).label("records"), func.max(_day.level).label("level"))
    .where(_day.fingerprint.in_(_NAMES))
    .group_by(_day.fingerprint)
)
_USERS = select(_user.fingerprint, func.count()).where(_user.fingerprint.in_(_NAMES)).group_by(_user.fingerprint)
_FIRST_SEEN = (
    select(_entry.fingerprint, func.min(_entry.created_at))
    .where(_entry.fingerprint.in_(_NAMES))
    .group_by(_entry.fingerprint)
)


def read_dropped(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the columns with which problems go on that were dropped; a problem that is new has none.

    The rows of the batch are stored already, but not counted.
    """
    counts = connection.execute(_COUNTS, {"names": names}).all()
    if not counts:
        return {}
    dropped = {"names": [each.fingerprint for each in counts]}
    users: dict[str, int] = dict(connection.execute(_USERS, dropped).all())
    # Pruning may have deleted the rows, and the counts of their hours a step later.
    first_seen: dict[str, datetime] = dict(connection.execute(_FIRST_SEEN, dropped).all())
    return {
        each.fingerprint: {
            "count": int(each.records),
            "level": each.level,
            "users": users.get(each.fingerprint, 0),
            **({"first_seen": first_seen[each.fingerprint]} if each.fingerprint in first_seen else {}),
        }
        for each in counts
    }
