"""A storm: of one problem's records in an hour so many are stored, then one in a hundred, and all are counted.

A record that is only counted has no row by which a replay could know it. So its batch also stores which record of the
journal (or of the memory that stands in for it) was the last, and a replay skips what is not after that one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

from sqlalchemy import Connection, Engine, Insert, delete, func, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ..models import LogPosition, LogProblemHour
from .rows import Row

STORED_ONE_IN = 100

#: The number of a segment and the offset of a line in it; of the memory 0 and the record's number.
Place = tuple[int, int]

_position = LogPosition.metadata.tables[LogPosition.__tablename__]


def choose_rows(connection: Connection, rows: Sequence[Row], storm_rows: int) -> Sequence[Row]:
    """Return the rows to store; the others are only counted.

    Processes that count one problem at the same moment may each store a batch more than ``storm_rows``.

    :param storm_rows: of one problem in one hour so many are stored before the storm begins; 0 stores all
    """
    if not storm_rows:
        return rows
    new = Counter((row["fingerprint"], row["hour"]) for row in rows)
    counted = _counted(connection, {name for name, _ in new}, {hour for _, hour in new})
    if all(counted[key] + count <= storm_rows for key, count in new.items()):
        return rows
    chosen = []
    for row in rows:
        key = row["fingerprint"], row["hour"]
        counted[key] += 1
        stored = counted[key] <= storm_rows or counted[key] % STORED_ONE_IN == 0
        # What has no place in a journal, the row of a loss say, is known to a replay by its row alone.
        if stored or place_of(row["event_id"]) is None:
            chosen.append(row)
    return chosen


def _counted(connection: Connection, fingerprints: Iterable[str], hours: Iterable[object]) -> Counter[object]:
    """Return how many records of these problems there are in these hours, by fingerprint and hour."""
    counts = LogProblemHour.__table__.c
    query = select(counts.fingerprint, counts.hour, func.sum(counts["count"])).group_by(counts.fingerprint, counts.hour)
    query = query.where(counts.fingerprint.in_(fingerprints), counts.hour.in_(hours))
    if connection.dialect.name == "sqlite":
        # SQLite would read this before the transaction begins.
        query = query.with_for_update()
    return Counter({(name, hour): int(count) for name, hour, count in connection.execute(query)})


def place_of(event_id: str) -> tuple[str, Place] | None:
    """Return the journal (with ``-memory`` for its memory) and the place of a record by its id, None if it has none."""
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
    """Return up to which place the records of these journals are stored or counted, as far as storms made it known."""
    query = select(_position.c.journal, _position.c.segment, _position.c.offset)
    found = connection.execute(query.where(_position.c.journal.in_(journals)))
    return {journal: (segment, offset) for journal, segment, offset in found}


def is_behind(row: Row, reached: dict[str, Place]) -> bool:
    """Whether a record is stored or counted already, by the places that :func:`read_places` returned."""
    found = place_of(row["event_id"])
    return found is not None and found[0] in reached and found[1] <= reached[found[0]]


def write_places(connection: Connection, places: dict[str, Place]) -> None:
    rows = [{"journal": name, "segment": segment, "offset": offset} for name, (segment, offset) in places.items()]
    connection.execute(_upsert(connection.dialect.name), rows)


def forget_places(engine: Engine, journals: Sequence[str]) -> None:
    """Delete what is known of journals that are gone."""
    names = [*journals, *(f"{journal}-memory" for journal in journals)]
    with engine.begin() as connection:
        connection.execute(delete(_position).where(_position.c.journal.in_(names)))


@cache
def _upsert(dialect: str) -> Insert:
    names = ("segment", "offset")
    if dialect in ("mysql", "mariadb"):
        replace = mysql.insert(_position)
        return replace.on_duplicate_key_update({name: replace.inserted[name] for name in names})
    upsert = postgresql.insert(_position) if dialect == "postgresql" else sqlite.insert(_position)
    changes = {name: upsert.excluded[name] for name in names}
    return upsert.on_conflict_do_update(index_elements=[_position.c.journal], set_=changes)
