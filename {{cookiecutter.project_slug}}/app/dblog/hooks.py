"""Exceptions that nobody logs: of requests in debug, of threads, of commands and of the interpreter itself.

The hooks are installed once a process and serve the pipeline that was opened last.
"""

import atexit
import logging
import os
import sys
import threading
import traceback
from types import TracebackType

from flask import Flask, got_request_exception, request

from .handler import RECORDED, DatabaseLogHandler
from .writer import Writer

EXIT_SECONDS = 2.0

_writer: Writer
_handler: DatabaseLogHandler
_installed = False


def make_current(writer: Writer, handler: DatabaseLogHandler) -> None:
    """From now on the process's exceptions, forks and end concern this pipeline; the earlier one is closed."""
    global _writer, _handler, _installed
    if _installed:
        _writer.close(EXIT_SECONDS)
    _writer, _handler = writer, handler
    if not _installed:
        _installed = True
        _install()


def current_writer() -> Writer | None:
    return _writer if _installed else None


def record_exception(name: str, message: str, args: tuple[object, ...], error: BaseException) -> None:
    """Record an exception in the database's log alone: whoever else should see it does."""
    # A logger of its own: no other handler hears of it.
    logger = logging.Logger(name)
    logger.addHandler(_handler)
    file, line, function = "", 0, "?"
    for frame, number in traceback.walk_tb(error.__traceback__):
        # The last one is where it was raised.
        file, line, function = frame.f_code.co_filename, number, frame.f_code.co_name
    info = (type(error), error, error.__traceback__)
    logger.handle(logger.makeRecord(name, logging.ERROR, file, line, message, args, info, function))


def _install() -> None:
    got_request_exception.connect(_on_request_exception)
    _chain_excepthooks()
    atexit.register(lambda: _writer.close(EXIT_SECONDS))
    if hasattr(os, "register_at_fork"):
        # With the lock, or a lock file that another thread is about to take would stay locked by the child.
        os.register_at_fork(
            before=lambda: _writer.journal.lock.acquire(),
            after_in_parent=lambda: _writer.journal.lock.release(),
            after_in_child=lambda: _writer.after_fork(),
        )


def _on_request_exception(app: Flask, exception: BaseException, **_: object) -> None:
    propagates = app.config["PROPAGATE_EXCEPTIONS"]
    if app.testing or app.debug if propagates is None else propagates:
        # Otherwise Flask logs it itself.
        record_exception(app.logger.name, "Exception on %s [%s]", (request.path, request.method), exception)
        # The server that catches it in the end logs it too; the handler knows it by this mark.
        # Not setattr, which a frozen dataclass refuses.
        vars(exception)[RECORDED] = True


def _chain_excepthooks() -> None:
    of_interpreter, of_threads = sys.excepthook, threading.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            record_exception("python", "Uncaught exception", (), error)
        of_interpreter(kind, error, trace)

    def threading_excepthook(args: threading.ExceptHookArgs) -> None:
        if isinstance(args.exc_value, Exception):
            name = args.thread.name if args.thread else "unknown"
            record_exception("python", "Uncaught exception in thread %s", (name,), args.exc_value)
        of_threads(args)

    sys.excepthook, threading.excepthook = excepthook, threading_excepthook
