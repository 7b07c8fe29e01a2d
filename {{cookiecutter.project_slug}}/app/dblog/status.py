"""How the log itself is doing: read from the journals' folder, so that a database that hangs cannot hold it up."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from .models import LogEntry
from .queries import Unreadable, reading
from .rollups import rows
from .sentences import unreadable
from .spool import QUARANTINE, Reader, journals, pending_bytes, read_state, unshipped
from .writer import Writer

#: Seconds that a record may wait before the log counts as degraded.
PATIENCE = 60.0


def health(writer: Writer) -> dict[str, Any]:
    """What waits, what was lost and what went wrong, over all journals of the folder; asks no database."""
    folder, own = writer.journal.folder, writer.journal
    states = {name: read_state(folder, name) for name in journals(folder)}
    # Of each the first record that is not in the database yet.
    times = []
    for name, state in states.items():
        # Another user's journal may not be ours to read.
        with suppress(OSError):
            times += [event["time"] for _, event in Reader(folder, name, state).read(1)]
    age = max(0.0, time.time() - min(times)) if times else None
    states[own.name] = own.state
    error = next((state.error for state in states.values() if state.error), None)
    return {
        "state": "degraded" if error or own.memory or (age or 0) > PATIENCE else "ok",
        "pending_bytes": pending_bytes(folder),
        "pending_records_in_memory": len(own.memory),
        "oldest_pending_seconds": age,
        "dropped": sum(sum(state.dropped.values()) for state in states.values()),
        "quarantined": _count_lines(folder / QUARANTINE),
        "error": error,
    }


def report(writer: Writer) -> dict[str, Any]:
    """The health, and what the database says of itself: number of rows and time of the newest."""
    facts: dict[str, Any] = {"rows": None, "newest": None} | health(writer)
    try:
        with reading() as log:
            facts["rows"] = rows(log)
            facts["newest"] = log.scalar(select(func.max(LogEntry.created_at)))
    except Unreadable as error:
        facts["state"] = "degraded"
        facts["error"] = facts["error"] or unreadable(error)
    return facts


def waiting_records(writer: Writer) -> int:
    """How many records are on their way to the database."""
    journal = writer.journal
    return len(journal.memory) + sum(_count_lines(path, offset) for path, offset in unshipped(journal.folder))


def _count_lines(path: Path, offset: int = 0) -> int:
    with suppress(OSError), path.open("rb") as file:
        file.seek(offset)
        return sum(line.endswith(b"\n") for line in file)
    return 0
