"""One pipeline a process: a second application replaces the first one's, a forked child starts its own, the end ships.

The hooks are installed once and serve the pipeline that was opened last.
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
    """Record with this handler from now on; the process's exceptions, forks and end concern its pipeline alone.

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
    """Give a record to the database's handler alone, whatever has become of the loggers. Its level and filters hold."""
    try:
        if made.levelno >= _handler.level:
            _handler.handle(made)
    except Exception:
        # A filter's failure must not take the place of the exception that is to be recorded.
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
    """Keep from the console and the file what a driver says at each try of the writer; stderr has it once a minute."""
    if not _writer.is_shipping():
        return True
    record(made)
    return False
