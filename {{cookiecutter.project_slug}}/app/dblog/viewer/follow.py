"""The rows as they arrive, each exactly once, whichever process writes them.

A server gives out ids before it commits, so a lower id may arrive after a higher one. The ids that were left out are
asked for again, until they arrive or cannot arrive any more.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import or_, select

from ..errors import Unreadable
from ..models import LogEntry
from .queries import Entry, reading

POLL_SECONDS = 0.5
POLL_ROWS = 500
#: Among so many ids before the newest some may still be missing when following begins.
LOOK_BACK_ROWS = 2_000
#: An id that has not arrived for so long belongs to a transaction that was rolled back.
GAP_SECONDS = 60.0
MAX_GAPS = 200

#: The first and the last id that were left out, and when to give them up (monotonic clock).
Gap = tuple[int, int, float]


def follow(count: int, columns: Sequence[Any]) -> Iterator[Entry | Unreadable]:
    """Yield the last ``count`` rows, then every new one, without end; an error is yielded once, then retried."""
    ids, rows = _last(count, columns)
    top = ids[0] if ids else 0
    gaps: list[Gap] = []
    for high, low in pairwise(ids):
        gaps = _with_gap(gaps, low, high)
    failed = False
    while True:
        yield from rows
        if len(rows) < POLL_ROWS:
            time.sleep(POLL_SECONDS)
        gaps = [gap for gap in gaps if gap[2] > time.monotonic()][-MAX_GAPS:]
        try:
            rows = _arrived(top, gaps, columns)
            failed = False
        except Unreadable as error:
            rows = []
            if not failed:
                yield error
            failed = True
        for row in rows:
            gaps = _with_gap(gaps, top, row.id) if row.id > top else _without(gaps, row.id)
            top = max(top, row.id)


def _last(count: int, columns: Sequence[Any]) -> tuple[Sequence[int], Sequence[Entry]]:
    newest = select(LogEntry.id).order_by(LogEntry.id.desc()).limit(max(count, LOOK_BACK_ROWS))
    with reading() as log:
        ids = log.scalars(newest).all()
        shown = select(*columns).where(LogEntry.id.in_(ids[:count])).order_by(LogEntry.id)
        return ids, log.execute(shown).all()


def _arrived(top: int, gaps: list[Gap], columns: Sequence[Any]) -> Sequence[Entry]:
    """Return rows above ``top`` and rows in the gaps."""
    places = [LogEntry.id > top, *(LogEntry.id.between(low, high) for low, high, _ in gaps)]
    # With the places alone SQLite would read the whole table.
    first = min([top + 1, *(low for low, *_ in gaps)])
    arrived = select(*columns).where(LogEntry.id >= first, or_(*places)).order_by(LogEntry.id).limit(POLL_ROWS)
    with reading() as log:
        return log.execute(arrived).all()


def _with_gap(gaps: list[Gap], low: int, high: int) -> list[Gap]:
    """Return the gaps and the one between two ids, if there is one."""
    return [*gaps, (low + 1, high - 1, time.monotonic() + GAP_SECONDS)] if high - low > 1 else gaps


def _without(gaps: list[Gap], number: int) -> list[Gap]:
    """Return the gaps without an id that has arrived after all."""
    left = []
    for low, high, end in gaps:
        if low <= number <= high:
            left += [part for part in ((low, number - 1, end), (number + 1, high, end)) if part[0] <= part[1]]
        else:
            left.append((low, high, end))
    return left
