"""Where log records go besides the database: the console and a rotating file."""

import logging
import re
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from textwrap import indent
from typing import TextIO, cast

import portalocker
from concurrent_log_handler import ConcurrentRotatingFileHandler
from flask import Flask
from flask.logging import default_handler, wsgi_errors_stream

from .dblog import format_message
from .parsers import OFF
from .private_files import make_file
from .redaction import redact, redact_trace, secret_names
from .serving import REQUEST_ID, current_environ
from .terminal import inert, without_colors

MB = 1024 * 1024
OURS = {"console", "file"}
NOT_WRITTEN = "LOG_FILE: %s is not written to: %s"
_PIN = " * Debugger PIN: "

logger = logging.getLogger(__name__)


class LineFormatter(logging.Formatter):
    """Writes time, level, logger, request id and message on one line, without secrets; tracebacks are indented.

    Only a record begins at the left, so no text can look like another record, and no text can move a terminal's cursor.
    """

    def usesTime(self) -> bool:
        return True

    def __init__(self, secret: re.Pattern[str], shows_pin: bool = False) -> None:
        """Make a formatter.

        :param secret: the keys to redact, see :func:`app.redaction.secret_names`
        :param shows_pin: whether werkzeug's PIN is shown, which people type from the terminal into the debugger
        """
        super().__init__()
        self.secret, self.shows_pin = secret, shows_pin

    def format(self, record: logging.LogRecord) -> str:
        # The record is not changed: logging would keep the text in it, and other handlers would use that.
        trace = self.formatException(record.exc_info) if record.exc_info else record.exc_text
        traces = [_indented(redact_trace(without_colors(text))) for text in (trace, record.stack_info) if text]
        record.asctime = self.formatTime(record)
        return "\n".join([self.formatMessage(record), *traces])

    def formatMessage(self, record: logging.LogRecord) -> str:
        request_id = (current_environ() or {}).get(REQUEST_ID, "-")
        level = without_colors(record.levelname)
        start = f"{record.asctime} {level:<8} {record.name} [{request_id}] "
        # Werkzeug colours the development server's messages, structlog its events.
        message = without_colors(format_message(record, self.secret))
        if not (self.shows_pin and record.name == "werkzeug" and message.startswith(_PIN)):
            message = redact(message)
        # The development server's first message has several lines.
        message = inert(message).replace("\n", "\n    " if record.name == "werkzeug" else r"\n")
        return inert(start).replace("\n", r"\n") + message


def _indented(trace: str) -> str:
    return indent(inert(trace.rstrip("\n")), "  ", lambda _line: True)


class SharedFile(ConcurrentRotatingFileHandler):
    """A file that several processes may write and rotate; if it cannot be written any more, this warns once."""

    has_warned = False

    def do_open(self, mode: str | None = None) -> TextIOWrapper:
        # The library would make a new file with everybody's rights and take them away a moment later.
        make_file(Path(self.baseFilename))
        return super().do_open(mode)

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.has_warned:
            # This must come first: the warning itself fails here, too.
            self.has_warned = True
            logger.warning(NOT_WRITTEN, self.baseFilename, error.strerror or error)


def init_app(app: Flask) -> None:
    """Configure logging for the whole process; handlers that other code has put on the root logger stay."""
    config = app.config
    console = logging.StreamHandler(cast(TextIO, wsgi_errors_stream))
    console.setLevel(config["LOG_LEVEL"])
    console.setFormatter(LineFormatter(secret_names(config["LOG_REDACT"]), shows_pin=True))
    console.name = "console"
    handlers: list[logging.Handler] = [console]

    path = config["LOG_FILE"]
    obstacle = why_unwritable(Path(path)) if path else None
    if path and not obstacle:
        handlers.append(rotating_file(app))

    # dblog.init_app makes the handler for the database.
    levels = [handler.level for handler in handlers]
    if config["LOG_DB_LEVEL"] != OFF:
        levels.append(logging.getLevelNamesMapping()[config["LOG_DB_LEVEL"]])
    lowest = min(levels)
    root = logging.getLogger()
    root.setLevel(lowest)
    replace_handlers(root, handlers)
    # Flask may have added this one, when the logger had no other handler: each line would come twice.
    app.logger.removeHandler(default_handler)
    # Without a level of its own, werkzeug's logger would set itself to INFO and print what no handler takes.
    werkzeug = logging.getLogger("werkzeug")
    werkzeug.setLevel(max(lowest, logging.INFO))
    werkzeug.addFilter(is_no_banner)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    for name in ("alembic", "flask_migrate"):
        # These loggers speak to the person who typed `flask db`, not to the log, whose tables they may be making.
        logging.getLogger(name).propagate = False
        replace_handlers(logging.getLogger(name), [console])
    if obstacle:
        logger.warning(NOT_WRITTEN, path, obstacle)


def rotating_file(app: Flask) -> logging.Handler:
    """Return the handler of a file that several processes may write and rotate."""
    handler = SharedFile(
        app.config["LOG_FILE"],
        maxBytes=app.config["LOG_FILE_MAX_MB"] * MB,
        backupCount=app.config["LOG_FILE_COUNT"],
        encoding="utf-8",
        unicode_error_policy="replace",
        # These are the rights of the file, of its rotated copies, and of the lock file beside it.
        chmod=0o600,
    )
    handler.setLevel(app.config["LOG_FILE_LEVEL"])
    handler.setFormatter(LineFormatter(secret_names(app.config["LOG_REDACT"])))
    handler.name = "file"
    return handler


def replace_handlers(target: logging.Logger, handlers: Sequence[logging.Handler]) -> None:
    """Replace the handlers that an earlier application put on the logger by these."""
    for handler in [each for each in target.handlers if each.name in OURS]:
        target.removeHandler(handler)
        handler.close()
    for handler in handlers:
        target.addHandler(handler)


def why_unwritable(path: Path) -> str | None:
    """Return why the file or the lock file beside it cannot be written, None if they can."""
    try:
        make_file(path)
        path.open("a").close()
        # The folder is tried, too: rotating and locking make files in it.
        tempfile.TemporaryFile(dir=path.parent).close()
        lock = Path(*ConcurrentRotatingFileHandler.baseLockFilename(str(path)))
        make_file(lock)
        with lock.open("a") as file, suppress(portalocker.AlreadyLocked):
            portalocker.lock(file, portalocker.LOCK_EX | portalocker.LOCK_NB)
    except OSError as error:
        return error.strerror or str(error)
    except portalocker.LockException as error:
        return f"its lock file cannot be locked: {error}"
    return None


def is_no_banner(record: logging.LogRecord) -> bool:
    """Return False for the warning with which the development server announces its debugger at every start."""
    return "Debugger is active" not in str(record.msg)
