"""One batch to the database: all of it, or all but the rows that no database takes; or an error, and nothing."""

from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ..capture.event import internal
from ..errors import is_transient
from ..journal.files import Event
from .rows import make_row
from .upsert import insert_and_count

#: Records that were refused for what is in them: event id, event, and the error.
Refused = list[tuple[str, Event, Exception]]


def store_batch(engine: Engine, events: Sequence[tuple[str, Event]], replay: bool, root: str) -> Refused:
    """Commit the events and return those that were refused; raises if the database takes no row at present.

    :param events: each with its id
    :param replay: whether the database may have some of them already
    :param root: see :func:`app.dblog.store.rows.make_row`
    """
    try:
        rows = [make_row(event_id, event, root) for event_id, event in events]
        with engine.begin() as connection:
            insert_and_count(connection, rows, replay)
        return []
    except Exception as error:
        disconnected = isinstance(error, DBAPIError) and error.connection_invalidated
        if disconnected or is_transient(error) or not _takes_rows(engine):
            raise
        if replay and len(events) == 1:
            return [(*events[0], error)]
    # The fault is in the data. The commit may have happened all the same, so what follows is a replay.
    if not replay:
        return store_batch(engine, events, True, root)
    half = len(events) // 2
    return store_batch(engine, events[:half], True, root) + store_batch(engine, events[half:], True, root)


def _takes_rows(engine: Engine) -> bool:
    """Whether the database would take a harmless row. If not, the fault is in the database or its tables."""
    try:
        with engine.connect() as connection:
            insert_and_count(connection, [make_row("probe", internal("probe"), "")], replay=False)
            connection.rollback()
        return True
    except Exception:
        return False
