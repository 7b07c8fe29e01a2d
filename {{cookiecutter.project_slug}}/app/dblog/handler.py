"""The logging handler: it appends an event to the journal. Nothing here waits for a database."""

import logging
import re
import sys
from types import FrameType
from typing import Protocol

from ..actor import Actor
from ..interrupts import reraise_interrupt
from .capture.event import encode
from .capture.uncaught import RECORDED, note_record
from .journal.append import Journal

# Above every level: the handler takes nothing.
logging.addLevelName(OFF := sys.maxsize, "OFF")
# These log an exception that the log has recorded already, when it has passed the application. In no set, since what an
# odd record has for a name may not be hashable.
_REPEATERS = ("werkzeug", "gunicorn.error", "waitress", "rq.worker", "celery.app.trace")


class Shipper(Protocol):
    """What brings the journal to the database."""

    def wake(self) -> None:
        """Say that there is a new record."""

    def is_shipping(self) -> bool:
        """Whether the calling thread is the one that ships: its own records would never end."""

    def warn(self, sentence: str, kind: str) -> None:
        """Tell people, once a minute at most for sentences of the same kind."""


class DatabaseLogHandler(logging.Handler):
    """Appends every record to the application's journal and wakes whoever ships it.

    It stays open after :meth:`close`: what still logs after ``logging.shutdown`` is written to the journal, too.

    :param level: records from this level on; ``OFF`` takes none
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
            if self._shipper.is_shipping() and not _is_finalising():
                # To ship what the shipping itself logs would log again.
                if record.levelno >= logging.WARNING:
                    # A driver says the same at each try to connect, though with other numbers in it.
                    self._shipper.warn(f"{record.name}: {record.getMessage()}", f"{record.name}: {record.msg}")
            elif record.name not in _REPEATERS or not _is_recorded(record):
                self._journal.append(encode(record, self._actor, self._secret))
                if isinstance(record.exc_info, tuple):
                    note_record(record.exc_info[1])
                self._shipper.wake()
        except BaseException as error:
            reraise_interrupt(error)
            self.handleError(record)


def why_silent(handler: logging.Handler, logger: logging.Logger) -> str | None:
    """Return why the logger's records do not reach the handler, and what mends it; None if they do.

    A handler that is ``OFF`` is silent because somebody wants it to be.
    """
    last = strict = logger
    while handler not in last.handlers and last.propagate and last.parent is not None:
        last = last.parent
    while strict.level == logging.NOTSET and strict.parent is not None:
        strict = strict.parent
    if handler.level == OFF or (handler in last.handlers and logger.isEnabledFor(handler.level)):
        return None
    if handler not in logging.root.handlers:
        cause, mend = "its handler was taken away", "logging.getLogger().addHandler(app.extensions['dblog'].handler)"
    elif handler not in last.handlers:
        cause, mend = f"{last.name} does not propagate", f"logging.getLogger({last.name!r}).propagate = True"
    elif logger.disabled:
        cause = f"{logger.name} was disabled (disable_existing_loggers is true by default)"
        mend = f"logging.getLogger({logger.name!r}).disabled = False"
    elif logger.manager.disable >= handler.level:
        cause, mend = "logging.disable was called", "logging.disable(logging.NOTSET)"
    else:
        level = logging.getLevelName(handler.level)
        cause, mend = f"the level of {strict.name} is higher", f"logging.getLogger({strict.name!r}).setLevel({level!r})"
    return f"the log gets unhandled exceptions only, since {cause}: configure logging before create_app, or {mend}"


def _is_finalising() -> bool:
    """Whether an object's ``__del__`` logs; the garbage collector runs it in whichever thread it happens to be."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def _is_recorded(record: logging.LogRecord) -> bool:
    # Celery's record has a copy of an exception that cannot be pickled; the exception itself is being handled.
    errors = (record.exc_info or (None, None, None))[1], sys.exc_info()[1]
    return any(RECORDED in getattr(error, "__dict__", {}) for error in errors)
