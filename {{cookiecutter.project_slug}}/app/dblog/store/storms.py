"""A storm: beyond LOG_STORM_ROWS records of a problem in an hour, only one in a hundred is stored as a row.

All records are counted. A replay cannot know a record that was only counted, since it has no row. So the batch also
stores its last record's place in the journal (or in the memory that stands in for it), and a replay skips all records
up to that place.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter

from sqlalchemy import Connection, Engine, Insert, delete, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ...database import utcnow
from ..models import LogPosition, LogProblemHour
from .rows import Row

STORED_ONE_IN = 100
#: For how many seconds a count from the database is used.
ASKED_EVERY = 1.0

#: A problem's fingerprint and an hour.
Key = tuple[str, datetime]
_key = itemgetter("fingerprint", "hour")

#: The number of a segment and the offset of a line in it; in the memory 0 and the record's number.
Place = tuple[int, int]

_counts = LogProblemHour.__table__.c
_COUNTS = select(_counts.fingerprint, _counts.hour, _counts["count"])
_position = LogPosition.metadata.tables[LogPosition.__tablename__]


class Storms:
    """Chooses which records get a row; only one thread may use it.

    It asks the database only about problems that could have come near the threshold since the last question. It notices
    what other processes have counted after :data:`ASKED_EVERY` seconds.

    :param rows_an_hour: how many records of one problem in one hour are stored before the storm begins; 0 stores all
    """

    def __init__(self, rows_an_hour: int) -> None:
        self._most = rows_an_hour
        #: How many records can be stored before the database is asked again.
        self._room: dict[Key, int] = {}
        self._forget_at = 0.0

    def choose(self, connection: Connection, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows to store; the others are only counted."""
        if not self._most:
            return rows
        new = Counter(map(_key, rows))
        now = time.monotonic()
        if now >= self._forget_at:
            self._room.clear()
            self._forget_at = now + ASKED_EVERY
        near = [key for key, count in new.items() if self._room.get(key, 0) < count]
        counted = _counted(connection, near) if near else Counter()
        for key in near:
            # The other half is left to other processes.
            self._room[key] = (self._most - counted[key]) // 2
        for key, count in new.items():
            self._room[key] -= count
        storms = {key for key in near if counted[key] + new[key] > self._most}
        return [row for row in rows if self._is_stored(row, storms, counted)] if storms else rows

    def _is_stored(self, row: Row, storms: Collection[Key], counted: Counter[Key]) -> bool:
        key = _key(row)
        if key not in storms:
            return True
        counted[key] += 1
        stored = counted[key] <= self._most or counted[key] % STORED_ONE_IN == 0
        # A replay recognises a record without a place in a journal, such as a report of losses, only by its row.
        return stored or place_of(row["event_id"]) is None


def _counted(connection: Connection, keys: Sequence[Key]) -> Counter[Key]:
    """Return how many records of these problems there are in these hours."""
    names, hours = zip(*keys, strict=True)
    query = _COUNTS.where(_counts.fingerprint.in_(set(names)), _counts.hour.in_(set(hours)))
    if connection.dialect.name == "sqlite":
        # Without FOR UPDATE, SQLite would read this before the transaction begins.
        query = query.with_for_update()
    return Counter({(name, hour): count for name, hour, count in connection.execute(query)})


def place_of(event_id: str) -> tuple[str, Place] | None:
    """Return the journal (``-memory`` added for its memory) and the place in a record's id, None if it has no place."""
    name, _, rest = event_id.partition("-")
    part, _, number = rest.partition("-")
    if not number.isdecimal():
        return None
    if part == "memory":
        return f"{name}-memory", (0, int(number))
    return (name, (int(part), int(number))) if part.isdecimal() else None


def last_places(rows: Sequence[Row]) -> dict[str, Place]:
    """Return the last place of these records in each of their journals."""
    places = filter(None, (place_of(row["event_id"]) for row in rows))
    return dict(sorted(places))


def read_places(connection: Connection, journals: Iterable[str]) -> dict[str, Place]:
    """Return for each journal the place up to which its records are stored or counted, if a storm has stored one."""
    query = select(_position.c.journal, _position.c.segment, _position.c.offset)
    found = connection.execute(query.where(_position.c.journal.in_(journals)))
    return {journal: (segment, offset) for journal, segment, offset in found}


def is_behind(row: Row, reached: dict[str, Place]) -> bool:
    """Whether a record is stored or counted already, by the places that :func:`read_places` returned."""
    found = place_of(row["event_id"])
    return found is not None and found[0] in reached and found[1] <= reached[found[0]]


def write_places(connection: Connection, places: dict[str, Place]) -> None:
    now = utcnow()
    rows = [
        {"journal": name, "segment": segment, "offset": offset, "written_at": now}
        for name, (segment, offset) in places.items()
    ]
    connection.execute(_upsert(connection.dialect.name), rows)


def forget_places(engine: Engine, journals: Sequence[str]) -> None:
    """Delete the places of journals that are gone."""
    names = [*journals, *(f"{journal}-memory" for journal in journals)]
    with engine.begin() as connection:
        connection.execute(delete(_position).where(_position.c.journal.in_(names)))


@cache
def _upsert(dialect: str) -> Insert:
    names = ("segment", "offset", "written_at")
    if dialect in ("mysql", "mariadb"):
        replace = mysql.insert(_position)
        return replace.on_duplicate_key_update({name: replace.inserted[name] for name in names})
    upsert = postgresql.insert(_position) if dialect == "postgresql" else sqlite.insert(_position)
    changes = {name: upsert.excluded[name] for name in names}
    return upsert.on_conflict_do_update(index_elements=[_position.c.journal], set_=changes)
