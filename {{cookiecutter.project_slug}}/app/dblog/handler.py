"""The logging handler appends an event to the journal. Nothing here waits for a database."""

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

# OFF is above every level: the handler then takes no record.
logging.addLevelName(OFF := sys.maxsize, "OFF")
# These loggers repeat an exception that the log recorded when it left the application. They are in no set, since an odd
# record's name may not be hashable.
_REPEATERS = ("werkzeug", "gunicorn.error", "waitress", "rq.worker", "celery.app.trace")


class Shipper(Protocol):
    """The part that brings the journal to the database; the writer is one."""

    def wake(self) -> None:
        """Say that there is a new record."""

    def is_shipping(self) -> bool:
        """Return whether the calling thread is the one that ships: to ship its own records would never end."""

    def warn(self, sentence: str, kind: str) -> None:
        """Print the sentence on stderr, at most once a minute for sentences of the same kind."""


class DatabaseLogHandler(logging.Handler):
    """Appends every record to the application's journal and wakes the shipper.

    It stays open after :meth:`close`: records that are logged after ``logging.shutdown`` get into the journal, too.

    :param level: the lowest level to take; ``OFF`` takes no record
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
        # This does not take the handler's lock: an argument's __str__ may wait for a thread that logs, and then both
        # would wait for ever.
        passed = self.filter(record)
        if passed:
            # From Python 3.12 on a filter may return another record.
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record: when this returns, it survives the process. Never raises, never waits for a database."""
        try:
            if self._shipper.is_shipping() and not _is_finalising():
                # To ship a record of the shipping itself would make more such records.
                if record.levelno >= logging.WARNING:
                    # A driver logs the same at each try to connect, but with other numbers in it.
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
    """Return why the logger's records do not reach the handler, and how to mend that; None if they do.

    If the handler's level is ``OFF``, None is returned: somebody wants it to be silent.
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
    """Return whether an object's ``__del__`` logs; the garbage collector may run it in any thread, also in this one."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def _is_recorded(record: logging.LogRecord) -> bool:
    # If an exception cannot be pickled, Celery logs a copy of it while the exception itself is being handled.
    errors = (record.exc_info or (None, None, None))[1], sys.exc_info()[1]
    return any(RECORDED in getattr(error, "__dict__", {}) for error in errors)
