"""The logging handler: it appends an event to the journal. Nothing here waits for a database."""

import logging
import re
import sys
import threading
from types import FrameType
from typing import Protocol

from ..actor import Actor
from .capture.event import encode
from .capture.uncaught import RECORDED
from .errors import warn_on_stderr
from .journal.append import Journal

# These log an exception that the log has recorded already, when it has passed the application.
_SERVERS = ("werkzeug", "gunicorn.error")


class Shipper(Protocol):
    """What brings the journal to the database."""

    @property
    def thread_id(self) -> int | None:
        """The ident of the thread that ships, None if there is none."""

    def wake(self) -> None:
        """Say that there is a new record."""


class DatabaseLogHandler(logging.Handler):
    """Appends every record to the application's journal and wakes whoever ships it.

    It stays open after :meth:`close`: what still logs after ``logging.shutdown`` is written to the journal, too.

    :param actor: tells who is acting, see :data:`app.actor.Actor`
    :param secret: the keys to redact, see :func:`app.redaction.secret_names`
    """

    def __init__(
        self, level: int | str, journal: Journal, shipper: Shipper, actor: Actor, secret: re.Pattern[str]
    ) -> None:
        super().__init__(level)
        self.name = "database"
        self._journal, self._shipper = journal, shipper
        self._actor, self._secret = actor, secret

    def handle(self, record: logging.LogRecord) -> bool:
        # The handler's lock is not taken: an argument's __str__ that waits for a thread which logs would wait for ever.
        passed = self.filter(record)
        if passed:
            # From Python 3.12 on a filter may answer with another record.
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record: when this returns, it survives the process. Never raises, never waits for a database."""
        try:
            if self._shipper.thread_id == threading.get_ident() and not _is_finalising():
                # To ship what the shipping itself logs would log again.
                if record.levelno >= logging.WARNING:
                    warn_on_stderr(f"{record.name}: {record.getMessage()}")
            elif record.name not in _SERVERS or not _is_recorded(record):
                self._journal.append(encode(record, self._actor, self._secret))
                self._shipper.wake()
        except Exception:
            self.handleError(record)


def _is_finalising() -> bool:
    """Whether an object's ``__del__`` logs; the garbage collector runs it in whichever thread it happens to be."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def _is_recorded(record: logging.LogRecord) -> bool:
    error = (record.exc_info or sys.exc_info())[1]
    return RECORDED in getattr(error, "__dict__", {})
