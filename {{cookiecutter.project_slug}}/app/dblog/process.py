"""Each process has one pipeline (handler, journal, writer): a second application replaces that of the first.

A forked child starts a pipeline of its own, and the end of the process ships what is left. The hooks for this are
installed once and serve the pipeline that was opened last.
"""

import atexit
import logging
import os

from flask import Flask

from .capture import uncaught
from .handler import DatabaseLogHandler
from .store.writer import Writer

EXIT_SECONDS = 2.0

_app: Flask
_writer: Writer
_handler: DatabaseLogHandler
_installed = False


def make_current(app: Flask, writer: Writer, handler: DatabaseLogHandler) -> None:
    """Use this pipeline from now on, also for the process's uncaught exceptions, its forks and its end.

    The pipeline of an earlier application is closed.
    """
    global _app, _writer, _handler, _installed
    root = logging.getLogger()
    if _installed:
        _writer.close(EXIT_SECONDS)
        root.removeHandler(_handler)
    _app, _writer, _handler = app, writer, handler
    root.addHandler(handler)
    if not _installed:
        _installed = True
        _install()


def current_writer() -> Writer | None:
    return _writer if _installed else None


def current_app() -> Flask:
    """Return the application that was made last; raises RuntimeError, which says what to do if there is none."""
    if not _installed:
        raise RuntimeError("A job needs an application: let the worker call create_app() first, as README says.")
    return _app


def record(made: logging.LogRecord) -> None:
    """Give a record directly to the database's handler, past all loggers. The handler's level and filters apply."""
    try:
        if made.levelno >= _handler.level:
            _handler.handle(made)
    except Exception:
        # An error in a filter must not replace the exception that is to be recorded.
        _handler.handleError(made)


def _install() -> None:
    uncaught.install(record)
    logging.getLogger("psycopg").addFilter(_is_not_the_writers)
    atexit.register(lambda: _writer.close(EXIT_SECONDS))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lambda: _writer.before_fork(),
            after_in_parent=lambda: _writer.after_fork_in_parent(),
            after_in_child=lambda: _writer.after_fork(),
        )


def _is_not_the_writers(made: logging.LogRecord) -> bool:
    """Hide from console and file what a driver logs at each try of the writer; stderr shows it once a minute."""
    if not _writer.is_shipping():
        return True
    record(made)
    return False
