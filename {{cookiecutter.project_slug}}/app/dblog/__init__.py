"""The database log: records are safe in a journal when the log call returns, and in the database a moment later.

Reads top to bottom as the data flows: event (a record as JSON), handler, journal, spool and writer (to the
database), models, queries, then views and commands. Imports nothing of the application but ``app.database``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, abort, current_app
from flask.typing import ResponseReturnValue

from app.database import db

from . import hooks
from .cli import cli
from .event import Actor
from .handler import DatabaseLogHandler, nobody
from .journal import Journal
from .plain import secret_names
from .status import health
from .views import bp
from .writer import Writer

#: Answers None to let the visitor see the log, or the response to send instead; it may abort, too.
Guard = Callable[[], ResponseReturnValue | None]

MB = 1024 * 1024


@dataclass(frozen=True)
class DatabaseLog:
    """What ``app.extensions["dblog"]`` holds."""

    writer: Writer
    guard: Guard


def forbid() -> None:
    """The guard of an application that does not say who may read the log."""
    abort(403)


def init_app(app: Flask, *, actor: Actor = nobody, guard: Guard = forbid) -> None:
    """Open the log of ``app``, whose engine on the bind ``log`` must be there already.

    :param actor: tells who is acting, from memory alone, see :data:`app.dblog.event.Actor`
    :param guard: tells who may read the log, see :data:`Guard`
    """
    config = app.config
    config.setdefault("LOG_DB_LEVEL", "WARNING")
    config.setdefault("LOG_JOURNAL_DIR", Path(app.instance_path, "journal"))
    config.setdefault("LOG_JOURNAL_MAX_MB", 256)
    config.setdefault("LOG_JOURNAL_FSYNC", False)
    config.setdefault("LOG_REDACT", [])
    config.setdefault("LOG_RETENTION_DAYS", 30)
    journal = Journal(Path(config["LOG_JOURNAL_DIR"]), config["LOG_JOURNAL_MAX_MB"] * MB, config["LOG_JOURNAL_FSYNC"])
    with app.app_context():
        root = Path(app.root_path).parent
        writer = Writer(db.engines["log"], journal, root, keep_days=config["LOG_RETENTION_DAYS"])
    handler = _root_handler(config["LOG_DB_LEVEL"])
    hooks.make_current(writer, handler)
    handler.open(writer, actor, secret_names(config["LOG_REDACT"]))

    app.extensions["dblog"] = DatabaseLog(writer, guard)
    app.before_request(_start_writer)
    app.register_blueprint(bp)
    app.cli.add_command(cli)


def _start_writer() -> None:
    """The first request adopts what dead processes left."""
    log: DatabaseLog = current_app.extensions["dblog"]
    log.writer.start()


def _root_handler(level: str) -> DatabaseLogHandler:
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler, DatabaseLogHandler):
            return handler
    handler = DatabaseLogHandler(level)
    root.addHandler(handler)
    return handler


def flush(timeout: float) -> bool:
    """Wait until all that was logged is in the database; False if ``timeout`` seconds were not enough."""
    writer = hooks.current_writer()
    return writer is None or writer.flush(timeout)


def status(app: Flask) -> dict[str, object]:
    """The log's health, see :func:`app.dblog.status.health`; asks no database."""
    log: DatabaseLog = app.extensions["dblog"]
    return health(log.writer)
