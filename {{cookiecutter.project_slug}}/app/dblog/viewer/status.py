"""How the log itself is doing.

:func:`health` looks only at the journals' folder, so that a database that hangs cannot hold it up. :func:`report` asks
the database as well.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...database import current_time, utcnow
from ...terminal import how_many
from .. import limits
from ..capture.event import OWN_LOGGER
from ..errors import TooSlow, Unreadable
from ..journal.append import FILES_SEEN_AT_ONCE, Journal
from ..journal.files import QUARANTINE
from ..journal.waiting import look
from ..models import LogEntry
from . import problems
from .queries import reading
from .volume import volume

if TYPE_CHECKING:
    from .. import DatabaseLog

#: Seconds that a record may wait before the log counts as degraded.
DEGRADED_AFTER_SECONDS = 60.0
#: How long dropped records keep the state degraded. People stop looking at a monitor that never returns to ok, and a
#: day is enough for those who look daily. The rows that report the drop are a problem that stays open until resolved.
DROPPED_LATELY = timedelta(hours=24)
#: How long the tabs keep a state before they look again.
STATE_SECONDS = 5.0
#: Pruning has one hour to delete the rows of an hour; after two it is late.
PRUNING_IS_LATE_AFTER = timedelta(hours=2)
PRUNING = ("pruned_before", "pruned_because_of", "rows_to_prune", "pruning_is_late")
VOLUME = ("rows", "records_without_row", "oldest", "newest", "rows_a_day", "bytes_on_disk", "storms")

_states: "WeakKeyDictionary[DatabaseLog, tuple[float, str]]" = WeakKeyDictionary()


def health(own: Journal, silence: str | None = None, most_files: int | None = None) -> dict[str, Any]:
    """Return what waits, what was lost and what went wrong, over all journals of the folder; asks no database.

    ``dropped`` counts since the processes started. ``reasons`` say in sentences why the state is degraded.

    :param silence: why records do not reach the journal, None if they do
    :param most_files: look at no more than so many files, so that a request's time is bounded; None looks at all
    """
    waiting = look(own, most_files)
    facts = {
        "state": "ok",
        "reasons": [],
        "pending_bytes": waiting.pending_bytes,
        "pending_records_in_memory": waiting.in_memory,
        "oldest_pending_seconds": None if waiting.oldest is None else max(0.0, time.time() - waiting.oldest),
        "dropped": waiting.dropped,
        "dropped_and_not_reported": waiting.unreported,
        "quarantined": waiting.quarantined,
        "quarantined_since": waiting.quarantined_since and datetime.fromtimestamp(waiting.quarantined_since, UTC),
        "journals_left_alone": waiting.later,
        "partial": waiting.partial,
        "error": waiting.error or silence,
    }
    return _judged(facts)


def recent_state(log: "DatabaseLog", session: Session) -> str:
    """Return the log's state as it was at most :data:`STATE_SECONDS` ago, for the tabs of every page.

    It does not consider whether pruning keeps up, which takes too long to find out: only :func:`report` does.
    """
    now = time.monotonic()
    looked_at, state = _states.get(log, (-math.inf, ""))
    if now - looked_at > STATE_SECONDS:
        facts = health(log.journal, log.writer.why_silent(), FILES_SEEN_AT_ONCE)
        state = _judged(facts | {"last_dropped": _last_dropped(session)})["state"]
        _states[log] = now, state
    return state


def report(log: "DatabaseLog", max_rows: int, most_files: int | None = None) -> dict[str, Any]:
    """Return the health, and what the database tells about the log, see :func:`app.dblog.viewer.volume.volume`.

    :param max_rows: how many rows the log may have; 0 is no limit. ``rows_above_limit`` counts rows that pruning has
        not deleted yet, or that are of the current hour, which it does not touch
    :param most_files: see :func:`health`
    """
    facts: dict[str, Any] = health(log.journal, log.writer.why_silent(), most_files)
    facts |= dict.fromkeys(("last_dropped", "open_problems", *VOLUME, "rows_above_limit", *PRUNING))
    facts["level"] = logging.getLevelName(log.handler.level)
    facts["kept_days"], facts["kept_rows"] = current_app.config[limits.AGE], max_rows
    try:
        with reading() as session:
            facts["open_problems"] = problems.count_open(session)
            facts["last_dropped"] = _last_dropped(session)
            facts |= volume(session)
            facts["rows_above_limit"] = max(0, facts["rows"] - max_rows) if max_rows else 0
            facts |= _pruning(session, current_app.config[limits.AGE], max_rows)
    except (TooSlow, Unreadable) as error:
        facts["error"] = facts["error"] or str(error)
    return _judged(facts)


def _judged(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts with the state that follows from them, and why."""
    reasons = [*_reasons(facts)]
    return facts | {"state": "degraded" if reasons else "ok", "reasons": reasons}


def _reasons(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each thing that is wrong, with what to do about it."""
    if facts["error"]:
        yield _sentence(facts["error"])
    elif (facts["oldest_pending_seconds"] or 0) > DEGRADED_AFTER_SECONDS:
        yield "Records wait for more than a minute: `flask log flush` brings them to the database, or says why not."
    if waiting := facts["pending_records_in_memory"]:
        yield (
            f"Records that wait in the memory of a process, because it cannot write its journal: {waiting:,}. They are"
            " lost if it is killed."
        )
    if unreported := facts["dropped_and_not_reported"]:
        yield f"Records that were dropped, and that no row of the log reports yet: {unreported:,}."
    if last := facts.get("last_dropped"):
        yield (
            f"Records were dropped, the last time at {last:%Y-%m-%d %H:%M} UTC: the rows of the logger {OWN_LOGGER} say"
            " how many and why. A day after the last time the state is ok again."
        )
    if facts["quarantined"]:
        since = facts["quarantined_since"]
        yield (
            f"Records in quarantine, because the database refused them: {facts['quarantined']:,}"
            f"{f', the first of {since:%Y-%m-%d %H:%M} UTC' if since else ''}. Each line of {QUARANTINE} in"
            " LOG_JOURNAL_DIR says why. The state is ok again when you have moved that file away."
        )
    if facts.get("pruning_is_late"):
        yield (
            f"Pruning does not keep up: about {how_many(facts['rows_to_prune'], 'row')} should be gone, the oldest for"
            " two hours. `flask log prune` deletes them at once; a higher LOG_DB_LEVEL records less."
        )


def _sentence(error: str) -> str:
    return error[:1].upper() + error[1:] + ("" if error.endswith(".") else ".")


def _last_dropped(log: Session) -> datetime | None:
    """Return when a process last reported that records had been dropped, None if that was not lately."""
    lately = LogEntry.logger == OWN_LOGGER, LogEntry.created_at >= utcnow() - DROPPED_LATELY
    return log.scalar(select(func.max(LogEntry.created_at)).where(*lately))


def _pruning(log: Session, days: int, max_rows: int) -> dict[str, Any]:
    """Return the hour before which rows are pruned, the variable that says so, and about how many rows are left."""
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
