"""How the log itself is doing: read from the journals' folder, so that a database that hangs cannot hold it up."""

import logging
import math
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...database import current_time
from .. import limits
from ..errors import Unreadable
from ..journal.append import FILES_SEEN_AT_ONCE, Journal
from ..journal.files import QUARANTINE, count_lines
from ..journal.waiting import look
from ..models import LogEntry
from . import problems
from .counts import count_rows, count_without_row
from .queries import reading

if TYPE_CHECKING:
    from .. import DatabaseLog

#: Seconds that a record may wait before the log counts as degraded.
DEGRADED_AFTER_SECONDS = 60.0
#: For so long the tabs do not look at the journals again.
STATE_SECONDS = 5.0
#: Pruning has an hour for what an hour brings.
PRUNING_IS_LATE_AFTER = timedelta(hours=2)
PRUNING = ("pruned_before", "pruned_because_of", "rows_to_prune", "pruning_is_late")
LATE = (
    "Pruning does not keep up: about {:,} rows should be gone, some of them for two hours. `flask log prune` deletes"
    " them at once; a higher LOG_DB_LEVEL records less."
)

_states: "WeakKeyDictionary[DatabaseLog, tuple[float, str]]" = WeakKeyDictionary()


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


def recent_state(log: "DatabaseLog") -> str:
    """Return the state of the log as it was at most :data:`STATE_SECONDS` ago, for the tabs of every page."""
    now = time.monotonic()
    looked_at, state = _states.get(log, (-math.inf, ""))
    if now - looked_at > STATE_SECONDS:
        state = health(log.journal, log.writer.why_silent(), FILES_SEEN_AT_ONCE)["state"]
        _states[log] = now, state
    return state


def report(log: "DatabaseLog", max_rows: int, most_files: int | None = None) -> dict[str, Any]:
    """The health, and what the database says of itself: number of rows and time of the newest.

    ``records_without_row`` were only counted, see LOG_STORM_ROWS.

    :param max_rows: of how many rows more is too many; 0 is no limit. ``rows_above_limit`` are those that pruning has
        not come to yet, or that are of the current hour, which it does not touch
    :param most_files: see :func:`health`
    """
    facts: dict[str, Any] = dict.fromkeys(
        ("open_problems", "rows", "records_without_row", "rows_above_limit", "newest", *PRUNING)
    )
    facts |= health(log.journal, log.writer.why_silent(), most_files)
    facts["level"] = logging.getLevelName(log.handler.level)
    try:
        with reading() as session:
            facts["open_problems"] = problems.count_open(session)
            facts["rows"] = rows = count_rows(session)
            facts["records_without_row"] = count_without_row(session)
            facts["rows_above_limit"] = max(0, rows - max_rows) if max_rows else 0
            facts["newest"] = session.scalar(select(func.max(LogEntry.created_at)))
            facts |= _pruning(session, current_app.config[limits.AGE], max_rows)
    except Unreadable as error:
        facts["state"] = "degraded"
        facts["error"] = facts["error"] or str(error)
    if facts["pruning_is_late"]:
        facts["state"] = "degraded"
        facts["error"] = facts["error"] or LATE.format(facts["rows_to_prune"])
    return facts


def _pruning(log: Session, days: int, max_rows: int) -> dict[str, Any]:
    """From before which hour rows are pruned, because of which variable, and about how many of them are left."""
    now = current_time(log)
    cutoffs = limits.find_cutoffs(log, days, max_rows, now)
    if not cutoffs:
        return {}
    reason = max(cutoffs, key=lambda name: cutoffs[name])
    earlier = limits.find_cutoffs(log, days, max_rows, now - PRUNING_IS_LATE_AFTER)
    return {
        "pruned_before": cutoffs[reason],
        "pruned_because_of": reason,
        "rows_to_prune": limits.estimate_older(log, cutoffs[reason]),
        "pruning_is_late": any(limits.estimate_older(log, cutoff) for cutoff in earlier.values()),
    }
