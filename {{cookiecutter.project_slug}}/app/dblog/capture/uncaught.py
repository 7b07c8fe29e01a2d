"""Exceptions that nobody logs: those of requests, jobs, threads, commands and of the interpreter itself.

A request is watched from the first middleware to the end of its response: Flask does not see middleware, and its error
handling is over before the parts of a streamed response are made and the close callbacks are called.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from flask import Flask, Response, got_request_exception, has_app_context, request
from werkzeug.wsgi import get_path_info

from ...actor import Actor
from ...serving import current_environ, served
from .event import job_environ, keep_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

T = TypeVar("T")
Record = Callable[[logging.LogRecord], object]

#: Marks an exception that has left the application and is recorded: the server may log it once more.
RECORDED = "__dblog_recorded__"

_MESSAGE = "Exception on %s [%s]"
# These exceptions are no errors: a client went away, somebody pressed Ctrl-C, a greenlet has to end, a task asks Celery
# to retry or to ignore it. They are compared by name, since greenlet and Celery need not be installed.
_NO_ERRORS = {"GeneratorExit", "KeyboardInterrupt", "GreenletExit", "TaskPredicate"}
_END = object()
_watch: "ContextVar[Watch | None]" = ContextVar("watch", default=None)


class Watch:
    """One request, from the first middleware to the end of its response, in whose place this object is returned.

    Exceptions are compared by identity, since they may define ``==``. Each request has its own list of recorded
    exceptions, since two requests may raise the same object.

    :param logger: the name of the application's logger
    :param record: takes a log record to the database's log alone
    """

    def __init__(self, environ: "WSGIEnvironment", logger: str, record: Record, actor: Actor) -> None:
        self._environ, self._logger, self._record, self._actor = environ, logger, record, actor
        self._waiting: dict[int, BaseException] = {}
        self._recorded: dict[int, BaseException] = {}

    def respond(self, application: "WSGIApplication", start_response: "StartResponse") -> Iterable[bytes]:
        """Return this object in place of the application's response, or the response itself if that cannot raise."""
        try:
            self._response = self._run(lambda: application(self._environ, start_response))
        except BaseException:
            self._end()
            raise
        if self._is_left_alone():
            self._end()
            return self._response
        return self

    def __iter__(self) -> Iterator[bytes]:
        self._chunks = self._run(lambda: iter(self._response))
        return self

    def __next__(self) -> bytes:
        chunk = self._run(lambda: next(self._chunks, _END))
        if chunk is _END:
            raise StopIteration
        return chunk  # type: ignore[return-value]  # it is not _END

    def close(self) -> None:
        # The response is closed only once: werkzeug's debugger would close it again after it failed to close.
        response, self._response = self._response, ()
        try:
            self._run(getattr(response, "close", lambda: None))
        finally:
            self._end()

    def keep(self) -> None:
        """Keep the facts of the request, and who acts in it, before Flask's context ends."""
        keep_request(self._environ, self._actor)

    def note(self, error: BaseException) -> None:
        """Note that nobody handles this exception.

        It is recorded when the application returns to the server, unless the application has logged it by then: its
        own record says more.
        """
        self._waiting[id(error)] = error

    def is_recorded(self, error: BaseException) -> None:
        """Note that there is a record of this exception; this ignores an exception that somebody may still handle."""
        if self._waiting.pop(id(error), None) is not None:
            self._recorded[id(error)] = error

    def _run(self, step: Callable[[], T]) -> T:
        # The environ must not refer to this object: it would keep alive Flask's context, and a response left unclosed.
        tokens = served.set(self._environ), _watch.set(self)
        try:
            return step()
        except BaseException as error:
            if id(error) not in self._recorded and _is_error(error):
                self.note(error)
            vars(error)[RECORDED] = True
            raise
        finally:
            try:
                self._record_waiting()
            finally:
                served.reset(tokens[0])
                _watch.reset(tokens[1])

    def _record_waiting(self) -> None:
        for error in [*self._waiting.values()]:
            where = (get_path_info(self._environ), self._environ["REQUEST_METHOD"])
            self._record(make_record(self._logger, _MESSAGE, where, error))
            # The exception counts as recorded even if the handler's level or its filters left it out.
            self.is_recorded(error)

    def _is_left_alone(self) -> bool:
        """Return whether the server must get the response itself: a file, sent in its own way, or plain data."""
        wrapper = self._environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type):
            is_file = isinstance(self._response, wrapper)
        else:
            # uWSGI's wrapper is a function that returns the file.
            is_file = wrapper is not None and hasattr(self._response, "read")
        return is_file or type(self._response) in (list, tuple)

    def _end(self) -> None:
        # The frames of these exceptions refer to this object, so the cycle would keep both alive.
        self._waiting.clear()
        self._recorded.clear()


def watch(app: Flask, record: Record, actor: Actor) -> None:
    """Record exceptions that leave ``app.wsgi_app``, including those of middleware that was put around it before.

    :param record: takes a log record to the database's log alone
    :param actor: tells who is acting, see :data:`app.actor.Actor`
    """
    inner, logger = app.wsgi_app, app.name

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return Watch(environ, logger, record, actor).respond(inner, start_response)

    # Two hooks are needed: this one does not run if the request fails, the other one not if an earlier teardown fails.
    @app.after_request
    def keep_of_response(response: Response) -> Response:
        if current := _watch.get():
            current.keep()
        return response

    @app.teardown_request
    def keep_of_failure(_error: BaseException | None) -> None:
        if current := _watch.get():
            current.keep()

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]  # Flask's documented way


def run_job(function: Callable[[], T], name: str, app: Flask, record: Record) -> T:
    """Return what the function returns; its records name the job, and an exception that leaves it is recorded.

    The function runs in an application context, a new one unless there is one already.

    :param record: takes a log record to the database's log alone
    """
    if current_environ() is not None:
        # A view or another job calls the function, so it is a part of that request or job.
        return function()
    token = served.set(job_environ(name))
    try:
        with nullcontext() if has_app_context() else app.app_context():
            return function()
    except BaseException as error:
        if _is_error(error):
            record(make_record(app.name, "Exception in job %s", (name,), error))
            vars(error)[RECORDED] = True
        raise
    finally:
        served.reset(token)


def _is_error(error: BaseException) -> bool:
    return _NO_ERRORS.isdisjoint(kind.__name__ for kind in type(error).__mro__)


def note_record(error: BaseException | None) -> None:
    """Note that there is a record of this exception now, for the request that is served."""
    if error is not None and (current := _watch.get()):
        current.is_recorded(error)


def install(record: Record) -> None:
    """Hand every exception that nobody logs to ``record``. Call this once a process: hooks cannot be removed.

    :param record: takes a log record to the database's log alone; the earlier hooks still see the exception
    """

    def on_request_exception(app: Flask, exception: BaseException, **_: object) -> None:
        if current := _watch.get():
            current.keep()
            current.note(exception)
        propagates = app.config["PROPAGATE_EXCEPTIONS"]
        if app.testing or app.debug if propagates is None else propagates:
            # Flask logs the exception itself unless it propagates.
            record(make_record(app.logger.name, _MESSAGE, (request.path, request.method), exception))

    # Without weak=False the signal would forget a function that only this one refers to.
    got_request_exception.connect(on_request_exception, weak=False)
    _chain_excepthooks(record)


def make_record(name: str, message: str, args: tuple[object, ...], error: BaseException) -> logging.LogRecord:
    """Return the record that logging would make of this exception, with the place where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        # The frames of this module are left out: if all others were a library's, these would count as the project's.
        trace = trace.tb_next
    file, line, function = "", 0, "?"
    for frame, number in traceback.walk_tb(trace):
        file, line, function = frame.f_code.co_filename, number, frame.f_code.co_name
    info = (type(error), error, trace)
    return logging.getLogger(name).makeRecord(name, logging.ERROR, file, line, message, args, info, function)


def _chain_excepthooks(record: Record) -> None:
    of_interpreter, of_threads, of_finalisers = sys.excepthook, threading.excepthook, sys.unraisablehook

    def is_new(error: BaseException | None) -> bool:
        # uWSGI passes the exceptions of requests to the interpreter's hook.
        return isinstance(error, Exception) and RECORDED not in vars(error)

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if is_new(error):
            record(make_record("python", "Uncaught exception", (), error))
        of_interpreter(kind, error, trace)

    def threading_excepthook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and is_new(args.exc_value):
            name = args.thread.name if args.thread else "unknown"
            record(make_record("python", "Uncaught exception in thread %s", (name,), args.exc_value))
        of_threads(args)

    def unraisablehook(args: "sys.UnraisableHookArgs") -> None:
        # While the interpreter ends, modules are half gone and nothing can be recorded.
        if args.exc_value is not None and is_new(args.exc_value) and not sys.is_finalizing():
            # The object is being deleted, so it is not asked for a text: the message names its class.
            record(make_record("python", "Exception ignored in %s", (type(args.object).__qualname__,), args.exc_value))
        of_finalisers(args)

    sys.excepthook, threading.excepthook, sys.unraisablehook = excepthook, threading_excepthook, unraisablehook
