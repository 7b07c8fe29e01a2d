"""The rows as they arrive, each exactly once, whichever process writes them.

A server gives out ids before it commits, so a lower id may arrive after a higher one. The ids that are missing are
asked for again, until they arrive or cannot arrive any more.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import or_, select

from ..errors import Unreadable
from ..models import LogEntry
from .queries import Entry, reading

POLL_SECONDS = 0.5
POLL_ROWS = 500
#: A missing id that has not arrived for so long belongs to a transaction that was rolled back.
GIVE_UP_SECONDS = 60.0
#: So many missing ids, the newest, are asked for.
MAX_MISSING = 1_000


def follow(count: int, columns: Sequence[Any]) -> Iterator[Entry | Unreadable]:
    """Yield the last ``count`` rows, then every new one, without end; an error is yielded once, then retried."""
    ids, rows = _last(count, columns)
    top = max(ids, default=0)
    # Ids and when to give them up (monotonic clock), in the order of time.
    missing = _missing(set(range(max(min(ids, default=0), top - MAX_MISSING), top)) - set(ids))
    failed = False
    while True:
        yield from rows
        if len(rows) < POLL_ROWS:
            time.sleep(POLL_SECONDS)
        missing = {number: end for number, end in [*missing.items()][-MAX_MISSING:] if end > time.monotonic()}
        try:
            rows = _arrived(top, missing, columns)
            failed = False
        except Unreadable as error:
            rows = []
            if not failed:
                yield error
            failed = True
        for row in rows:
            missing.pop(row.id, None)
            missing |= _missing(range(max(top + 1, row.id - MAX_MISSING), row.id))
            top = max(top, row.id)


def _missing(ids: Iterable[int]) -> dict[int, float]:
    return dict.fromkeys(ids, time.monotonic() + GIVE_UP_SECONDS)


def _last(count: int, columns: Sequence[Any]) -> tuple[Sequence[int], Sequence[Entry]]:
    newest = select(LogEntry.id).order_by(LogEntry.id.desc()).limit(max(count, MAX_MISSING))
    with reading() as log:
        ids = log.scalars(newest).all()
        shown = select(*columns).where(LogEntry.id.in_(ids[:count])).order_by(LogEntry.id)
        return ids, log.execute(shown).all()


def _arrived(top: int, missing: Iterable[int], columns: Sequence[Any]) -> Sequence[Entry]:
    """Return rows above ``top``, and those of the missing rows that are there now."""
    new = or_(LogEntry.id > top, LogEntry.id.in_(missing))
    # With these conditions alone SQLite would read the whole table.
    first = min([top + 1, *missing])
    arrived = select(*columns).where(LogEntry.id >= first, new).order_by(LogEntry.id).limit(POLL_ROWS)
    with reading() as log:
        return log.execute(arrived).all()
