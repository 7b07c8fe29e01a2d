"""The logging handler: an event, appended to the journal. Nothing here waits for a database."""

import logging
import re
import sys
import threading
from types import FrameType

from .event import Actor, encode
from .plain import secret_names
from .writer import Writer, say

#: Marks an exception that is in the log already, for the server that logs it once more.
RECORDED = "__dblog_recorded__"
_SERVERS = {"werkzeug", "gunicorn.error"}


def nobody() -> tuple[None, None]:
    """The actor of an application that does not say who is acting."""
    return None, None


class DatabaseLogHandler(logging.Handler):
    """Hands every record to the journal of the application's :class:`~app.dblog.writer.Writer`.

    ``dictConfig`` creates it before there is an application; until :meth:`open` it does nothing. :meth:`close` takes
    nothing from it: what still logs after ``logging.shutdown`` is written to the journal, too.
    """

    def __init__(self, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self._writer: Writer | None = None
        self._actor: Actor = nobody
        self._secret: re.Pattern[str] = secret_names()

    def open(self, writer: Writer, actor: Actor, secret: re.Pattern[str]) -> None:
        self._actor, self._secret, self._writer = actor, secret, writer

    def handle(self, record: logging.LogRecord) -> bool:
        # Without the handler's lock: an argument's __str__ that waits for a thread which logs would wait for ever.
        passed = self.filter(record)
        if passed:
            # From Python 3.12 on a filter may answer with another record.
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record: when this returns, it survives the process. Never raises, never waits for a database."""
        writer = self._writer
        if writer is None:
            return
        try:
            if writer.thread_id == threading.get_ident() and not _is_finalising():
                if record.levelno >= logging.WARNING:
                    say(f"{record.name}: {record.getMessage()}")
            elif record.name not in _SERVERS or not _is_recorded(record):
                writer.put(encode(record, self._actor, self._secret))
        except Exception:
            self.handleError(record)


def _is_finalising() -> bool:
    """Whether some object's ``__del__`` logs, which runs in whichever thread the collector happens to."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def _is_recorded(record: logging.LogRecord) -> bool:
    error = (record.exc_info or sys.exc_info())[1]
    return RECORDED in getattr(error, "__dict__", {})
