"""Where log records go: the console, a rotating file, and the database."""

import logging
import logging.config
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, g, has_app_context
from flask.logging import default_handler

OURS = {"console", "file", "database"}

logger = logging.getLogger(__name__)


class LineFormatter(logging.Formatter):
    """Time, level, logger, request id, message."""

    def usesTime(self) -> bool:
        return True

    def formatMessage(self, record: logging.LogRecord) -> str:
        request_id = g.get("request_id", "-") if has_app_context() else "-"
        return f"{record.asctime} {record.levelname:<8} {record.name} [{request_id}] {record.message}"


def init_app(app: Flask) -> None:
    """Configure logging for the whole process; handlers that others put on the root stay."""
    path = app.config["LOG_FILE"]
    problem = why_unwritable(Path(path)) if path else None
    root = logging.getLogger()
    foreign = [handler for handler in root.handlers if handler.name not in OURS]
    with others_hidden():
        logging.config.dictConfig(settings(app.config, to_file=bool(path) and not problem))
    for handler in foreign:
        root.addHandler(handler)
    # Flask adds it while no handler takes what the logger lets through: each line would come twice.
    app.logger.removeHandler(default_handler)
    if problem:
        logger.warning("LOG_FILE: %s is not written to: %s", path, problem)


@contextmanager
def others_hidden() -> Iterator[None]:
    """Within, only our handlers are known to logging: dictConfig closes every one that it knows."""
    known = logging._handlerList  # type: ignore[attr-defined]  # there is no public way
    others = [reference for reference in known if getattr(reference(), "name", None) not in OURS]
    known[:] = [reference for reference in known if reference not in others]
    try:
        yield
    finally:
        known[:0] = others


def why_unwritable(path: Path) -> str | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
        # The folder too: rotating and locking make files beside it.
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def is_no_banner(record: logging.LogRecord) -> bool:
    """The development server announces its debugger as a warning at every start."""
    return "Debugger is active" not in str(record.msg)


def settings(config: dict[str, Any], to_file: bool) -> dict[str, Any]:
    """What logging.config.dictConfig takes."""
    handlers: dict[str, dict[str, Any]] = {
        "console": {
            "class": "logging.StreamHandler",
            "level": config["LOG_LEVEL"],
            "formatter": "line",
            "stream": "ext://flask.logging.wsgi_errors_stream",
        },
        "database": {
            "class": "app.dblog.handler.DatabaseLogHandler",
            "level": config["LOG_DB_LEVEL"],
        },
    }
    if to_file:
        handlers["file"] = {
            "class": "concurrent_log_handler.ConcurrentRotatingFileHandler",
            "level": config["LOG_FILE_LEVEL"],
            "formatter": "line",
            "filename": config["LOG_FILE"],
            "maxBytes": config["LOG_FILE_MAX_MB"] * 1024 * 1024,
            "backupCount": config["LOG_FILE_COUNT"],
            "encoding": "utf-8",
            "unicode_error_policy": "replace",
        }
    lowest = min(logging.getLevelNamesMapping()[each["level"]] for each in handlers.values())
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": LineFormatter}},
        "filters": {"no_banner": {"()": lambda: is_no_banner}},
        "handlers": handlers,
        "root": {"level": lowest, "handlers": list(handlers)},
        "loggers": {
            # Left alone it would set INFO and print by itself whatever no handler takes.
            "werkzeug": {"level": max(lowest, logging.INFO), "filters": ["no_banner"]},
            "alembic.runtime.plugins": {"level": "WARNING"},
            # These speak to whoever typed `flask db`, not to the table that they may be making.
            "alembic": {"handlers": ["console"], "propagate": False},
            "flask_migrate": {"handlers": ["console"], "propagate": False},
        },
    }
