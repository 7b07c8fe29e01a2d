"""Which users a problem affects, and how often; only the first thousand users of a problem are counted."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from ..models import MAX_USERS, LogProblem, LogProblemUser
from .rows import Row

_problem, _user = (LogProblem.metadata.tables[model.__tablename__] for model in (LogProblem, LogProblemUser))

_COUNT = (
    update(_user)
    .where(_user.c.fingerprint == bindparam("problem"), _user.c.user_id == bindparam("user"))
    .values(count=_user.c["count"] + bindparam("more"))
)
_COUNT_USERS = (
    update(_problem)
    .where(_problem.c.fingerprint == bindparam("problem"))
    .values(users=_problem.c.users + bindparam("more"))
)


def count_users(connection: Connection, rows: Sequence[Row]) -> None:
    """Count the users of the rows.

    The transaction has updated the rows' problems already, and so holds their locks: no other transaction counts at
    the same time.

    Users beyond :data:`app.dblog.models.MAX_USERS` of a problem are left out.
    """
    counts = Counter((row["fingerprint"], row["user_id"]) for row in rows if row["user_id"] is not None)
    if not counts:
        return
    pairs = tuple_(_user.c.fingerprint, _user.c.user_id)
    known = {(each[0], each[1]) for each in connection.execute(select(*pairs.clauses).where(pairs.in_(counts)))}
    if known:
        changes = [{"problem": pair[0], "user": pair[1], "more": counts[pair]} for pair in sorted(known)]
        connection.execute(_COUNT, changes)
    if new := sorted(counts.keys() - known):
        _add_users(connection, new, counts)


def _add_users(connection: Connection, new: Sequence[tuple[str, int]], counts: Counter[tuple[str, int]]) -> None:
    found = connection.execute(
        select(_problem.c.fingerprint, _problem.c.users).where(_problem.c.fingerprint.in_({pair[0] for pair in new}))
    )
    room = {fingerprint: MAX_USERS - users for fingerprint, users in found}
    added: Counter[str] = Counter()
    users = []
    for fingerprint, user_id in new:
        if added[fingerprint] < room[fingerprint]:
            added[fingerprint] += 1
            users.append({"fingerprint": fingerprint, "user_id": user_id, "count": counts[fingerprint, user_id]})
    if users:
        connection.execute(insert(_user), users)
        more = [{"problem": name, "more": count} for name, count in sorted(added.items()) if count]
        connection.execute(_COUNT_USERS, more)
