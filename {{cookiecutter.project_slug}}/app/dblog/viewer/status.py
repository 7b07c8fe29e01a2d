"""How the log itself is doing: read from the journals' folder, so that a database that hangs cannot hold it up."""

import logging
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from ..errors import Unreadable
from ..journal.append import Journal
from ..journal.files import QUARANTINE, count_lines
from ..journal.waiting import look
from ..models import LogEntry
from .counts import count_rows
from .queries import reading

if TYPE_CHECKING:
    from .. import DatabaseLog

#: Seconds that a record may wait before the log counts as degraded.
DEGRADED_AFTER_SECONDS = 60.0


def health(own: Journal, silence: str | None = None, most_files: int | None = None) -> dict[str, Any]:
    """What waits, what was lost and what went wrong, over all journals of the folder; asks no database.

    :param silence: why records do not come as far as the journal, None if they do
    :param most_files: look at no more than so many files, so that a request's time is bounded; None looks at all
    """
    waiting = look(own, most_files)
    error = waiting.error or silence
    age = None if waiting.oldest is None else max(0.0, time.time() - waiting.oldest)
    return {
        "state": "degraded" if error or waiting.in_memory or (age or 0) > DEGRADED_AFTER_SECONDS else "ok",
        "pending_bytes": waiting.pending_bytes,
        "pending_records_in_memory": waiting.in_memory,
        "oldest_pending_seconds": age,
        "dropped": waiting.dropped,
        "quarantined": count_lines(own.folder / QUARANTINE),
        "journals_left_alone": waiting.later,
        "partial": waiting.partial,
        "error": error,
    }


def report(log: "DatabaseLog", max_rows: int, most_files: int | None = None) -> dict[str, Any]:
    """The health, and what the database says of itself: number of rows and time of the newest.

    :param max_rows: of how many rows more is too many; 0 is no limit. ``rows_above_limit`` are those that pruning has
        not come to yet, or that are of the current hour, which it does not touch
    :param most_files: see :func:`health`
    """
    facts: dict[str, Any] = {"rows": None, "rows_above_limit": None, "newest": None}
    facts |= health(log.journal, log.writer.why_silent(), most_files)
    facts["level"] = logging.getLevelName(log.handler.level)
    try:
        with reading() as session:
            facts["rows"] = rows = count_rows(session)
            facts["rows_above_limit"] = max(0, rows - max_rows) if max_rows else 0
            facts["newest"] = session.scalar(select(func.max(LogEntry.created_at)))
    except Unreadable as error:
        facts["state"] = "degraded"
        facts["error"] = facts["error"] or str(error)
    return facts
