"""The rows as they arrive, each exactly once, whichever process writes them.

A database server gives out ids before it commits, so a lower id may arrive after a higher one. Each poll asks for the
missing ids again, until they arrive or cannot arrive any more.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Label, literal, or_, select
from sqlalchemy.orm import Session

from ..errors import Unreadable
from ..models import LogEntry
from . import muted
from .queries import Entry, reading

POLL_SECONDS = 0.5
POLL_ROWS = 500
#: A missing id that has not arrived for so long belongs to a transaction that was rolled back.
GIVE_UP_SECONDS = 60.0
#: How many missing ids, the newest ones, are asked for at most.
MAX_MISSING = 1_000

#: The ids that arrived, and the rows of those that are to be shown.
Arrived = tuple[Sequence[int], Sequence[Entry]]


def follow(count: int, columns: Sequence[Any], show_muted: bool = False) -> Iterator[Entry | Unreadable]:
    """Yield the last ``count`` rows, then every new one, for ever. An error is yielded once, then the query is retried.

    :param show_muted: whether to yield rows of muted problems, too. Without them, the first rows are those that are
        left of the last thousand
    """
    ids, rows = _last(count, columns, show_muted)
    top = max(ids, default=0)
    # This maps missing ids to the time when to give them up (monotonic clock), the earliest first.
    missing = _missing(set(range(max(min(ids, default=0), top - MAX_MISSING), top)) - set(ids))
    failed = False
    while True:
        yield from rows
        if len(ids) < POLL_ROWS:
            time.sleep(POLL_SECONDS)
        missing = {number: end for number, end in [*missing.items()][-MAX_MISSING:] if end > time.monotonic()}
        try:
            ids, rows = _arrived(top, missing, columns, show_muted)
            failed = False
        except Unreadable as error:
            ids, rows = [], []
            if not failed:
                yield error
            failed = True
        for number in ids:
            missing.pop(number, None)
            missing |= _missing(range(max(top + 1, number - MAX_MISSING), number))
            top = max(top, number)


def _missing(ids: Iterable[int]) -> dict[int, float]:
    return dict.fromkeys(ids, time.monotonic() + GIVE_UP_SECONDS)


def _last(count: int, columns: Sequence[Any], show_muted: bool) -> Arrived:
    """Return the newest ids, a thousand or more, and the last ``count`` of their rows."""
    newest = select(LogEntry.id, _is_shown(show_muted)).order_by(LogEntry.id.desc()).limit(max(count, MAX_MISSING))
    with reading() as log:
        found = log.execute(newest).all()
        return [row.id for row in found], _rows(log, [row.id for row in found if row.is_shown][:count], columns)


def _arrived(top: int, missing: Iterable[int], columns: Sequence[Any], show_muted: bool) -> Arrived:
    """Return the rows that came above ``top``, and those of the missing ids that are there now."""
    new = or_(LogEntry.id > top, LogEntry.id.in_(missing))
    # Without this lower bound SQLite would read the whole table.
    first = min([top + 1, *missing])
    arrived = select(LogEntry.id, _is_shown(show_muted)).where(LogEntry.id >= first, new).order_by(LogEntry.id)
    with reading() as log:
        found = log.execute(arrived.limit(POLL_ROWS)).all()
        return [row.id for row in found], _rows(log, [row.id for row in found if row.is_shown], columns)


def _is_shown(show_muted: bool) -> Label[bool]:
    return (literal(True) if show_muted else muted.not_muted()).label("is_shown")


def _rows(log: Session, ids: Sequence[int], columns: Sequence[Any]) -> Sequence[Entry]:
    return log.execute(select(*columns).where(LogEntry.id.in_(ids)).order_by(LogEntry.id)).all() if ids else []
