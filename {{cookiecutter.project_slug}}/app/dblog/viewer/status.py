"""How the log itself is doing: read from the journals' folder, so that a database that hangs cannot hold it up."""

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from ..errors import Unreadable
from ..journal.append import Journal
from ..journal.files import QUARANTINE, count_lines, journals, read_state
from ..journal.read import Reader, pending_bytes
from ..models import LogEntry
from .counts import count_rows
from .queries import reading

if TYPE_CHECKING:
    from .. import DatabaseLog

#: Seconds that a record may wait before the log counts as degraded.
DEGRADED_AFTER_SECONDS = 60.0


def health(own: Journal, silence: str | None = None) -> dict[str, Any]:
    """What waits, what was lost and what went wrong, over all journals of the folder; asks no database.

    :param silence: why records do not come as far as the journal, None if they do
    """
    folder = own.folder
    states = {name: read_state(folder, name) for name in journals(folder)}
    # Of each the first record that is not in the database yet.
    times = []
    for name, state in states.items():
        # Another user's journal may not be ours to read.
        with suppress(OSError):
            times += [event["time"] for _, event in Reader(folder, name, state).read(1)]
    age = max(0.0, time.time() - min(times)) if times else None
    states[own.name] = own.state
    error = next((state.error for state in states.values() if state.error), silence)
    return {
        "state": "degraded" if error or own.memory or (age or 0) > DEGRADED_AFTER_SECONDS else "ok",
        "pending_bytes": pending_bytes(folder),
        "pending_records_in_memory": len(own.memory),
        "oldest_pending_seconds": age,
        "dropped": sum(sum(state.dropped.values()) for state in states.values()),
        "quarantined": count_lines(folder / QUARANTINE),
        "error": error,
    }


def report(log: "DatabaseLog", max_rows: int) -> dict[str, Any]:
    """The health, and what the database says of itself: number of rows and time of the newest.

    :param max_rows: of how many rows more is too many; 0 is no limit. ``rows_above_limit`` are those that pruning has
        not come to yet, or that are of the current hour, which it does not touch
    """
    facts: dict[str, Any] = {"rows": None, "rows_above_limit": None, "newest": None}
    facts |= health(log.journal, log.writer.why_silent()) | {"level": logging.getLevelName(log.handler.level)}
    try:
        with reading() as session:
            facts["rows"] = rows = count_rows(session)
            facts["rows_above_limit"] = max(0, rows - max_rows) if max_rows else 0
            facts["newest"] = session.scalar(select(func.max(LogEntry.created_at)))
    except Unreadable as error:
        facts["state"] = "degraded"
        facts["error"] = facts["error"] or str(error)
    return facts
