"""This commits one batch: all of its rows, or all but those that no database takes, or none if there is an error."""

from collections.abc import Callable, Sequence

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ..capture.event import internal
from ..errors import is_transient
from ..journal.files import Event
from .rows import make_row
from .storms import Storms
from .upsert import insert_and_count

#: How often a single row is tried that loses its connection, as one larger than the server's packets does, while the
#: database takes other rows.
LOST_CONNECTIONS = 3

#: Is called with the id of a record whose data the database refuses, the record, and the error.
Refuse = Callable[[str, Event, Exception], None]


def store_batch(
    engine: Engine, events: Sequence[tuple[str, Event]], replay: bool, root: str, storms: Storms, refuse: Refuse
) -> bool:
    """Commit the events except those that are refused; raises if the database takes no row at present.

    Return whether a place in the journal is stored, see :func:`app.dblog.store.upsert.insert_and_count`.

    :param events: the events, each with its id
    :param replay: whether the database may have some of them already
    :param root: see :func:`app.dblog.store.rows.make_row`
    :param storms: chooses the rows to store
    :param refuse: is called before any later event is committed
    """
    failures = 0
    while True:
        try:
            rows = [make_row(event_id, event, root) for event_id, event in events]
            with engine.begin() as connection:
                return insert_and_count(connection, rows, replay, storms)
        except Exception as error:
            disconnected = isinstance(error, DBAPIError) and error.connection_invalidated
            if (is_transient(error) and not disconnected) or not _takes_rows(engine):
                raise
            failures += 1
            tries = LOST_CONNECTIONS if len(events) == 1 else 2
            if replay and not (disconnected and failures < tries):
                if len(events) > 1:
                    break
                refuse(*events[0], error)
                return False
        # The fault is in the data. The commit may have happened all the same, so each further try is a replay.
        replay = True
    half = len(events) // 2
    first = store_batch(engine, events[:half], True, root, storms, refuse)
    return store_batch(engine, events[half:], True, root, storms, refuse) or first


def _takes_rows(engine: Engine) -> bool:
    """Whether the database would take a harmless row. If not, the fault is in the database or its tables."""
    try:
        with engine.connect() as connection:
            insert_and_count(connection, [make_row("probe", internal("probe"), "")], replay=False)
            connection.rollback()
        return True
    except Exception:
        return False
