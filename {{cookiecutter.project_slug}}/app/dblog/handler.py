"""The logging handler: it appends an event to the journal. Nothing here waits for a database."""

import logging
import re
import sys
from collections.abc import Callable
from types import FrameType

from ..actor import Actor
from .capture.event import encode
from .capture.uncaught import RECORDED, note_record
from .errors import warn_on_stderr
from .journal.append import Journal

# Above every level: the handler takes nothing.
logging.addLevelName(OFF := sys.maxsize, "OFF")
# These log an exception that the log has recorded already, when it has passed the application.
_SERVERS = ("werkzeug", "gunicorn.error", "waitress")


class DatabaseLogHandler(logging.Handler):
    """Appends every record to the application's journal and wakes whoever ships it.

    It stays open after :meth:`close`: what still logs after ``logging.shutdown`` is written to the journal, too.

    :param level: records from this level on; ``OFF`` takes none
    :param wake: called after each record
    :param is_shipping: tells whether the calling thread is the one that ships: its own records would never end
    :param actor: tells who is acting, see :data:`app.actor.Actor`
    :param secret: the keys to redact, see :func:`app.redaction.secret_names`
    """

    def __init__(
        self,
        level: int | str,
        journal: Journal,
        wake: Callable[[], None],
        is_shipping: Callable[[], bool],
        actor: Actor,
        secret: re.Pattern[str],
    ) -> None:
        super().__init__(level)
        self.name = "database"
        self._journal, self._wake, self._is_shipping = journal, wake, is_shipping
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
            if self._is_shipping() and not _is_finalising():
                # To ship what the shipping itself logs would log again.
                if record.levelno >= logging.WARNING:
                    warn_on_stderr(f"{record.name}: {record.getMessage()}")
            elif record.name not in _SERVERS or not _is_recorded(record):
                self._journal.append(encode(record, self._actor, self._secret))
                if record.exc_info:
                    note_record(record.exc_info[1])
                self._wake()
        except Exception:
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
    error = (record.exc_info or sys.exc_info())[1]
    return RECORDED in getattr(error, "__dict__", {})
