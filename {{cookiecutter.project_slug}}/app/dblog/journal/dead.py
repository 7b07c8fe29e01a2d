"""Which journals this process may adopt: those of its own children, and others in the folder.

The folder is listed only now and then, and each journal of a listing is tried once. So the cost of adopting a journal
does not grow with their number.
"""

import time
from contextlib import suppress

from .append import Journal
from .files import Segments
from .read import Reader, adopt

#: How often the folder is listed, and how often the journals of the children are tried.
LIST_SECONDS = 30.0
CHILD_SECONDS = 0.5
#: How many children that have logged nothing yet are remembered.
SILENT_CHILDREN = 100


class DeadJournals:
    """Finds the journals of dead processes.

    :param journal: this process's own; its lock keeps a fork from happening while a file is being opened
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        #: The names of forked children's journals, and whether the journal was there when it was last looked for.
        self.children: dict[str, bool] = {}
        self._left_alone: set[str] = set()
        self._found: dict[str, Segments] = {}
        self._list_at = self._children_at = 0.0

    def list_again(self) -> None:
        """List the folder at the next opportunity, even if it was listed a moment ago."""
        self._list_at = 0.0

    def list_if_due(self) -> None:
        """List the folder, unless that was done lately; a folder that cannot be listed counts as empty."""
        if time.monotonic() >= self._list_at:
            self._list_at = time.monotonic() + LIST_SECONDS
            with suppress(OSError):
                self._found = self._journal.look_at_others()

    def leave_alone(self, name: str) -> None:
        """Never adopt this journal: another version of the log, or another process, may be able to read it."""
        self._left_alone.add(name)

    def add_child(self, name: str) -> None:
        """Watch for the journal that a forked child will open if it logs."""
        silent = [each for each, was_there in list(self.children.items()) if not was_there]
        if len(silent) >= SILENT_CHILDREN:
            self.children.pop(silent[0], None)
        self.children[name] = False

    def adopt_next(self) -> Reader | None:
        """Return a reader of a journal whose process is dead, or None if no more such journals are known."""
        if reader := self.adopt_child():
            return reader
        self.list_if_due()
        while self._found:
            name, segments = self._found.popitem()
            # A journal that this process cannot lock or read belongs to another user.
            with suppress(OSError):
                if name not in self._left_alone and (reader := self._adopt(name, segments)):
                    return reader
        return None

    def adopt_child(self) -> Reader | None:
        """Return a reader of the journal of a child that has ended, or None; tries at most twice a second."""
        if not self.children or time.monotonic() < self._children_at:
            return None
        self._children_at = time.monotonic() + CHILD_SECONDS
        for name, was_there in list(self.children.items()):
            is_there = (self._journal.folder / f"{name}.lock").exists()
            reader = None
            if is_there or was_there:
                with suppress(OSError):
                    reader = self._adopt(name, {})
                self.children[name] = is_there
            if reader or (was_there and not is_there):
                del self.children[name]
            if reader:
                self._children_at = 0.0
                return reader
        return None

    def _adopt(self, name: str, segments: Segments) -> Reader | None:
        with self._journal.lock:
            return adopt(self._journal.folder, name, segments)
