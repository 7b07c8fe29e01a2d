"""How the log itself is doing: read from the journals' folder, so that a database that hangs cannot hold it up."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from .models import LogEntry
from .queries import Unreadable, reading
from .rollups import rows
from .spool import QUARANTINE, Reader, journal_names, read_state, unshipped, unshipped_lines
from .writer import Writer, reason

#: Seconds that a record may wait before the log counts as degraded.
PATIENCE = 60.0


@dataclass
class Health:
    """What waits, what was lost and what went wrong, over all journals of the folder."""

    state: str
    pending_bytes: int
    pending_records_in_memory: int
    oldest_pending_seconds: float | None
    dropped: int
    quarantined: int
    error: str | None


def health(writer: Writer) -> Health:
    """The log's health as of now; asks no database."""
    folder = writer.journal.folder
    names = journal_names(folder)
    states = {name: read_state(folder, name) for name in names}
    pending = sum(unshipped(folder, name) for name in names)
    oldest = min((logged for name in names if (logged := _oldest(folder, name)) is not None), default=None)
    age = None if oldest is None else max(0.0, time.time() - oldest)
    errors = [writer.error, *(state.error for state in states.values())]
    error = next((error for error in errors if error), None)
    memory = len(writer.journal.memory)
    dropped = sum(sum(state.losses().values()) for name, state in states.items() if name != writer.journal.name)
    return Health(
        state="degraded" if error or memory or (age or 0) > PATIENCE else "ok",
        pending_bytes=pending,
        pending_records_in_memory=memory,
        oldest_pending_seconds=age,
        dropped=dropped + sum(writer.losses().values()),
        quarantined=_count_lines(folder / QUARANTINE),
        error=error,
    )


def report(writer: Writer) -> dict[str, Any]:
    """The health, and what the database says of itself: number of rows and time of the newest."""
    facts: dict[str, Any] = {"rows": None, "newest": None} | asdict(health(writer))
    try:
        with reading() as log:
            facts["rows"] = rows(log)
            facts["newest"] = log.scalar(select(func.max(LogEntry.created_at)))
    except Unreadable as unreadable:
        facts["state"] = "degraded"
        facts["error"] = facts["error"] or f"the log database cannot be read ({reason(unreadable.cause)})"
    return facts


def waiting_records(writer: Writer) -> int:
    """How many records are on their way to the database."""
    folder = writer.journal.folder
    return len(writer.journal.memory) + sum(unshipped_lines(folder, name) for name in journal_names(folder))


def _oldest(folder: Path, name: str) -> float | None:
    """When the first record that is not in the database yet was logged (Unix time)."""
    events = Reader(folder, name).read(1)
    return float(events[0][1]["time"]) if events else None


def _count_lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0
