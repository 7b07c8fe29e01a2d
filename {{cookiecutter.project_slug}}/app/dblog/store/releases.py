"""What was deployed, and when it was first seen."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from ...inserts import insert_if_absent
from ..models import LogRelease
from .rows import Row

_release = LogRelease.metadata.tables[LogRelease.__tablename__]


def note_releases(connection: Connection, rows: Sequence[Row]) -> dict[str, datetime]:
    """Note the releases of a batch; returns when each was first seen.

    :param rows: each has a ``release``, which may be None, and ``created_at``
    """
    releases = {row["release"] for row in rows} - {None}
    earliest = {name: min(row["created_at"] for row in rows if row["release"] == name) for name in releases}
    if not earliest:
        return {}
    found = connection.execute(
        select(_release.c.release, _release.c.first_seen).where(_release.c.release.in_(earliest))
    )
    known = {each.release: each.first_seen for each in found}
    for release, moment in sorted(earliest.items()):
        if release not in known:
            new = insert_if_absent(connection.dialect.name, _release, "release")
            connection.execute(new, {"release": release, "first_seen": moment})
        elif moment < known[release]:
            # The journal of a dead process may be shipped after newer records.
            earlier = _release.c.first_seen > moment
            connection.execute(update(_release).where(_release.c.release == release, earlier).values(first_seen=moment))
    return {release: min(moment, known.get(release, moment)) for release, moment in earliest.items()}
