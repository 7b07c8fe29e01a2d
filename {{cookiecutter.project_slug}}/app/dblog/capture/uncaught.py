"""Exceptions that nobody logs: of requests in debug, of threads, of commands and of the interpreter itself."""

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType

from flask import Flask, got_request_exception, request

#: Marks an exception that is recorded already, for the server that logs it once more.
RECORDED = "__dblog_recorded__"

Record = Callable[[logging.LogRecord], object]


def install(record: Record) -> None:
    """Hand every exception that nobody logs to ``record``. To be called once a process: hooks cannot be taken back.

    :param record: takes a log record to the database's log alone; whoever else should see the exception does
    """

    def on_request_exception(app: Flask, exception: BaseException, **_: object) -> None:
        propagates = app.config["PROPAGATE_EXCEPTIONS"]
        if app.testing or app.debug if propagates is None else propagates:
            # Only then; otherwise Flask logs it itself.
            where = (request.path, request.method)
            record(make_record(app.logger.name, "Exception on %s [%s]", where, exception))
            # The server that catches it in the end logs it too, and the handler knows it by this mark.
            # It is not set by setattr, which a frozen dataclass refuses.
            vars(exception)[RECORDED] = True

    # Without weak=False the signal would forget a function that only this one refers to.
    got_request_exception.connect(on_request_exception, weak=False)
    _chain_excepthooks(record)


def make_record(name: str, message: str, args: tuple[object, ...], error: BaseException) -> logging.LogRecord:
    """Return the record that logging would make of this exception, with the place where it was raised."""
    file, line, function = "", 0, "?"
    for frame, number in traceback.walk_tb(error.__traceback__):
        file, line, function = frame.f_code.co_filename, number, frame.f_code.co_name
    info = (type(error), error, error.__traceback__)
    return logging.getLogger(name).makeRecord(name, logging.ERROR, file, line, message, args, info, function)


def _chain_excepthooks(record: Record) -> None:
    of_interpreter, of_threads = sys.excepthook, threading.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            record(make_record("python", "Uncaught exception", (), error))
        of_interpreter(kind, error, trace)

    def threading_excepthook(args: threading.ExceptHookArgs) -> None:
        if isinstance(args.exc_value, Exception):
            name = args.thread.name if args.thread else "unknown"
            record(make_record("python", "Uncaught exception in thread %s", (name,), args.exc_value))
        of_threads(args)

    sys.excepthook, threading.excepthook = excepthook, threading_excepthook
