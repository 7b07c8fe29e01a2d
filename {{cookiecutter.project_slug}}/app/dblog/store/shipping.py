"""What is shipped: this process's journal, the memory that stands in for it, then the journals of dead processes."""

import time
from collections.abc import Sequence
from zlib import crc32

from sqlalchemy import Engine

from ..capture.event import internal
from ..errors import short_error, warn_on_stderr
from ..journal.append import Journal
from ..journal.files import Event, State, parse, quarantine
from ..journal.read import Reader, adopt
from .batch import store_batch

SHIP_BATCH = 500
ADOPT_SECONDS = 30.0

REFUSED = "refused by the database, and quarantine could not be written"


class Shipping:
    """Brings journals to the database, one batch at a time.

    :param engine: the log's own engine
    :param root: the project's folder with a separator at its end, to tell its own frames from a library's
    """

    def __init__(self, engine: Engine, journal: Journal, root: str) -> None:
        self.engine = engine
        self.journal = journal
        self.root = root
        self._own: Reader | None = None
        self._adopted: Reader | None = None
        self._adopt_at = 0.0
        self._caught_up = False

    def begin(self) -> None:
        """Start a round, which ends when :meth:`ship_batch` finds nothing more."""
        self._caught_up = False
        if self._own is None and self.journal.is_open:
            self._own = Reader(self.journal.folder, self.journal.name, self.journal.state)

    def ship_batch(self, hurry: bool) -> bool:
        """Ship one batch; False if there was nothing to ship. Raises what the database raises.

        :param hurry: somebody waits for the newest records, which otherwise are left to fill the next round's batch
        """
        if self._own is not None and not self._caught_up and (count := self._ship_journal(self._own)):
            self._caught_up = count < SHIP_BATCH and not hurry
            self.journal.space_was_freed()
            return True
        return self._ship_memory() or self._ship_adopted() or self._report_losses(self.journal.name, self.journal.state)

    def look_for_dead(self) -> None:
        """Look for journals of dead processes in the next round, however recently that was done."""
        self._adopt_at = 0.0

    def save_state(self) -> None:
        """Write the own journal's state, which ``flask log status`` of other processes reads."""
        if self._own is not None:
            self._own.save()

    def remove_own(self) -> None:
        """Delete this process's journal, which has been shipped to its end and is closed."""
        if self._own is not None:
            self._own.remove()

    def let_go(self) -> None:
        """Let another process adopt the journal that this one was shipping."""
        if self._adopted is not None:
            self._adopted.close()
            self._adopted = None

    def _ship_journal(self, reader: Reader) -> int:
        events = reader.read(SHIP_BATCH)
        if events:
            try:
                self._store(events, reader.replay)
            except Exception:
                reader.rewind()
                reader.replay = True
                raise
        reader.acknowledge()
        return len(events)

    def _ship_memory(self) -> bool:
        memory = self.journal.memory
        lines = [memory[index] for index in range(min(SHIP_BATCH, len(memory)))]
        if lines:
            # Always a replay: nothing on disk notes what an ambiguous commit may have stored.
            events = [(event_id, event) for event_id, line in lines if (event := parse(line)) is not None]
            self._store(events, replay=True)
            for _ in lines:
                memory.popleft()
        return bool(lines)

    def _ship_adopted(self) -> bool:
        if self._adopted is None and time.monotonic() >= self._adopt_at:
            # One journal at a time: there may be more of them than this process may open files. The lock keeps a
            # fork from happening half-way.
            with self.journal.lock:
                self._adopted = adopt(self.journal.folder)
            if self._adopted is None:
                self._adopt_at = time.monotonic() + ADOPT_SECONDS
        dead = self._adopted
        if dead is not None and not (self._ship_journal(dead) or self._report_losses(dead.name, dead.state)):
            dead.remove()
            self._adopted = None
        return dead is not None

    def _report_losses(self, name: str, state: State) -> bool:
        """Store a row for what was dropped since the last such row, so that a gap in the log is visible in the log."""
        losses = state.unreported()
        if losses:
            events = []
            for reason, count in sorted(losses.items()):
                event_id = f"{name}-lost-{crc32(reason.encode()):08x}-{state.reported[reason] + count}"
                events.append((event_id, internal(f"{count} records dropped: {reason}")))
            self._store(events, replay=True)
            state.reported.update(losses)
        return bool(losses)

    def _store(self, events: Sequence[tuple[str, Event]], replay: bool) -> None:
        for event_id, event, error in store_batch(self.engine, events, replay, self.root):
            warn_on_stderr(f"one record was refused and put in quarantine ({short_error(error)})")
            try:
                quarantine(self.journal.folder, event_id, event, short_error(error))
            except OSError:
                self.journal.state.dropped[REFUSED] += 1
