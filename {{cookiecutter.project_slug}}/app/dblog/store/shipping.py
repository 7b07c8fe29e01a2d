"""What is shipped: this process's journal, then the memory that stands in for it, then journals of dead processes."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from zlib import crc32

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...database import utcnow
from ...terminal import how_many
from ..capture.event import internal
from ..errors import short_error, warn_on_stderr
from ..journal.append import Journal
from ..journal.dead import DeadJournals
from ..journal.files import Event, State, parse, quarantine
from ..journal.read import OwnReader, Reader
from .batch import store_batch
from .releases import note_releases
from .storms import Storms, forget_places

SHIP_BATCH = 500
#: How often this process's new records are shipped while there are journals of dead processes to ship.
OWN_SECONDS = 0.5

REFUSED = "refused by the database, and quarantine could not be written"


class Shipping:
    """Brings journals to the database, one batch at a time.

    :param engine: the log's own engine
    :param root: the project's folder with a separator at its end, to tell its own frames from a library's
    :param storm_rows: see :class:`app.dblog.store.storms.Storms`
    :param warn: prints a sentence on stderr, but the same one at most once a minute
    """

    def __init__(
        self, engine: Engine, journal: Journal, root: str, storm_rows: int, warn: Callable[[str], None]
    ) -> None:
        self.engine = engine
        self.journal = journal
        self.root = root
        self._storms = Storms(storm_rows)
        self.warn = warn
        self.dead = DeadJournals(journal)
        self._own: OwnReader | None = None
        self._adopted: Reader | None = None
        self._own_at = 0.0
        self._has_place = False
        # These journals were removed, but the database still has their places.
        self._gone: list[str] = []
        self._release_noted = False

    def begin(self) -> None:
        """Begin a round, which lasts until :meth:`ship_batch` finds nothing more."""
        self._own_at = 0.0
        if self._own is None and self.journal.is_open:
            self._own = OwnReader(self.journal)

    def ship_batch(self, hurry: bool) -> bool:
        """Ship one batch; False if there was nothing to ship. Raises what the database raises.

        :param hurry: whether somebody waits for the newest records; otherwise these may wait for a fuller batch
        """
        # Somebody may have removed the files: a flush must not take that for an empty journal.
        self.journal.restore()
        if self._own is not None and (hurry or time.monotonic() >= self._own_at):
            count = self._ship_journal(self._own)
            self._own_at = 0.0 if count == SHIP_BATCH else time.monotonic() + OWN_SECONDS
            if count:
                self.journal.space_was_freed()
                return True
        own_losses = self.journal.name, self.journal.state
        shipped = self._ship_memory() or self._ship_adopted() or self._report_losses(*own_losses)
        if not shipped:
            self._note_release()
        return shipped

    def child_has_ended(self) -> bool:
        """Whether a child of this process has left a journal behind; it is shipped in the next round."""
        if self._adopted is None:
            self._adopted = self.dead.adopt_child()
        return self._adopted is not None

    def save_state(self) -> None:
        """Write the state of this process's journal, which ``flask log status`` reads in another process."""
        if self._own is not None:
            self._own.save()

    def remove_own(self) -> None:
        """Delete this process's journal, once it is shipped to its end and closed."""
        if self._own is not None:
            self._own.remove()
            self._gone += [self._own.name] * self._has_place

    def forget_gone(self) -> None:
        """Delete the places of removed journals from the database; raises what the database raises."""
        if self._gone:
            forget_places(self.engine, self._gone)
            self._gone.clear()

    def let_go(self) -> None:
        """Let another process adopt the journal that this one was shipping."""
        if self._adopted is not None:
            self._adopted.close()
            self._adopted = None

    def _ship_journal(self, reader: Reader) -> int:
        events = reader.read(SHIP_BATCH)
        if events:
            try:
                self._store(events, reader.replay, reader.state)
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
            # These records are always a replay: nothing on disk tells whether an earlier commit has stored them.
            events = [(event_id, event) for event_id, line in lines if (event := parse(line)) is not None]
            self._store(events, True, self.journal.state)
            for _ in lines:
                memory.popleft()
            self.save_state()
        return bool(lines)

    def _ship_adopted(self) -> bool:
        """Ship a batch of a dead process's journal; only one is adopted at a time, since each keeps files open."""
        self.forget_gone()
        dead = self._adopted = self._adopted or self.dead.adopt_next()
        if dead is None:
            return False
        try:
            if self._ship_journal(dead):
                return True
        except OSError as error:
            self.warn(f"journals of dead processes cannot be read ({short_error(error)}) and are left alone")
            self._leave(dead)
            return True
        if dead.later:
            self.warn("journals of a later version of the log are left alone, for a version that can read them")
            self._leave(dead)
        elif not self._report_losses(dead.name, dead.state):
            dead.remove()
            self._gone.append(dead.name)
            self._adopted = None
        return True

    def _note_release(self) -> None:
        """Store this process's release once, even if the process never logs anything."""
        if self.journal.release and not self._release_noted:
            with suppress(SQLAlchemyError), self.engine.begin() as connection:
                note_releases(connection, [{"release": self.journal.release, "created_at": utcnow()}])
                self._release_noted = True

    def _leave(self, dead: Reader) -> None:
        self.dead.leave_alone(dead.name)
        self.let_go()

    def _report_losses(self, name: str, state: State) -> bool:
        """Store a row for the records dropped since the last such row, so that the log itself shows its gap."""
        losses = state.unreported()
        if losses:
            events = []
            for reason, count in sorted(losses.items()):
                event_id = f"{name}-lost-{crc32(reason.encode()):08x}-{state.reported[reason] + count}"
                event = internal(f"{how_many(count, 'record')} dropped: {reason}")
                # Without a template, one record would be another problem than several.
                events.append((event_id, event | {"template": f"Records dropped: {reason}"}))
            self._store(events, True, state)
            state.reported.update(losses)
        return bool(losses)

    def _store(self, events: Sequence[tuple[str, Event]], replay: bool, state: State) -> None:
        for _, event in events:
            event["release"] = state.release
        # If the project was moved, the journal of a dead process names files of the old folder.
        has_place = store_batch(self.engine, events, replay, state.root or self.root, self._storms, self._refuse)
        self._has_place = self._has_place or has_place

    def _refuse(self, event_id: str, event: Event, error: Exception) -> None:
        warn_on_stderr(f"one record was refused and put in quarantine ({short_error(error)})")
        try:
            quarantine(self.journal.folder, event_id, event, short_error(error))
        except OSError:
            self.journal.state.dropped[REFUSED] += 1
