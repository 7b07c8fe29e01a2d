"""What was deployed, and when it was first seen."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from ...inserts import insert_if_absent
from ..models import LogRelease
from .rows import Row

_release = LogRelease.metadata.tables[LogRelease.__tablename__]
# The statement is made once, since it runs for each batch.
_KNOWN = select(_release.c.release, _release.c.first_seen).where(
    _release.c.release.in_(bindparam("releases", expanding=True))
)


def note_releases(connection: Connection, rows: Sequence[Row]) -> dict[str, datetime]:
    """Store the releases of a batch that are new; returns when each of the batch was first seen.

    :param rows: each has a ``release``, which may be None, and ``created_at``
    """
    earliest: dict[str, datetime] = {}
    for row in rows:
        release, moment = row["release"], row["created_at"]
        if release is not None and moment < earliest.setdefault(release, moment):
            earliest[release] = moment
    if not earliest:
        return {}
    known = dict(connection.execute(_KNOWN, {"releases": [*earliest]}).all())
    for release, moment in sorted(earliest.items()):
        if release not in known:
            new = insert_if_absent(connection.dialect.name, _release, "release")
            connection.execute(new, {"release": release, "first_seen": moment})
        elif moment < known[release]:
            # The journal of a dead process may be shipped after newer records.
            earlier = _release.c.first_seen > moment
            connection.execute(update(_release).where(_release.c.release == release, earlier).values(first_seen=moment))
    return {release: min(moment, known.get(release, moment)) for release, moment in earliest.items()}
