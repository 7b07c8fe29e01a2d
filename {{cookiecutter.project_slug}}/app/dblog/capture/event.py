"""A LogRecord becomes one line of JSON, in the caller's thread, without asking the ORM or a database.

The fields, their types and the version ``v`` are documented in docs/journal.md; other programs read these lines too.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from re import Pattern
from typing import TYPE_CHECKING, Any, cast

import orjson
from flask import Request, has_request_context, request
from werkzeug.local import LocalProxy

from ...actor import Actor
from ...interrupts import reraise_interrupt
from ...redaction import REDACTED, is_secret, redact_trace
from ...serving import ACTOR, JOB, REQUEST_ID, served
from ...terminal import without_colors
from .sanitize import (
    NAME_LIMIT,
    RAISED,
    SCALARS,
    TEXT_LIMIT,
    TRUNCATED,
    clean_message,
    clean_name,
    clean_text,
    safe_argument,
    safe_str,
    to_json,
)
from .tracebacks import PATH_LIMIT, capture, without_chain

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

VERSION = 1
#: The logger of the records that the log makes itself, which report lost ones.
OWN_LOGGER = "dblog"
LINE_LIMIT_BYTES = 1_048_576

_HOST = clean_name(socket.gethostname())
# The fields that logging and its formatters set. They are listed, since an application's own record factory may add
# fields to each record.
_STANDARD_FIELDS = {
    *("name", "msg", "args", "levelname", "levelno", "pathname", "filename", "module", "lineno", "funcName"),
    *("exc_info", "exc_text", "stack_info", "created", "msecs", "relativeCreated", "thread", "threadName"),
    *("process", "processName", "taskName", "message", "asctime"),
}
_FEWEST_FIELDS = len(vars(logging.LogRecord("", 0, "", 0, "", (), None)))
# Every database can store times within these bounds, and every time zone can show them.
_EARLIEST, _LATEST = (datetime(*day, tzinfo=UTC).timestamp() for day in ((1000, 1, 2), (9999, 12, 30)))
ARRIVAL = "[time of arrival]"
_FACTS = "dblog.facts"

_line_of = partial(orjson.dumps, option=orjson.OPT_APPEND_NEWLINE)

# Getting the request from the proxy takes a fifth of the time of reading one attribute through the proxy.
_current_request = cast("LocalProxy[Request]", request)._get_current_object


def encode(record: logging.LogRecord, actor: Actor, secret: Pattern[str]) -> bytes:
    """Return the record as a line of JSON with its newline; if a part of the record raises, the line says so instead.

    :param actor: tells who is acting, see :data:`app.actor.Actor`
    :param secret: the keys to redact, see :func:`app.redaction.secret_names`
    """
    try:
        return _bounded(_event(record, actor, secret))
    except BaseException as error:
        reraise_interrupt(error)
        return _bounded(_salvage(record, actor, secret))


def internal(message: str) -> dict[str, object]:
    """Return an event of the log's own, as :func:`encode` would make it from a record."""
    return {
        "v": VERSION,
        "time": time.time(),
        "level": logging.ERROR,
        "logger": OWN_LOGGER,
        "message": message,
        "host": _HOST,
        "pid": os.getpid(),
    }


def _bounded(event: dict[str, Any]) -> bytes:
    """Return the event as a line. If it is too large for a server, its extra goes, then the exception's chain."""
    line = _line_of(event)
    if len(line) <= LINE_LIMIT_BYTES:
        return line
    size = f"{len(line):,} bytes"
    if "extra" in event:
        line = _line_of(event | {"extra": {TRUNCATED: size}})
    if len(line) > LINE_LIMIT_BYTES and "exception" in event:
        line = _line_of(event | {"extra": {TRUNCATED: size}, "exception": without_chain(event["exception"])})
    return line


def _event(record: logging.LogRecord, actor: Actor, secret: Pattern[str]) -> dict[str, object]:
    """Return the record as JSON data without references to living objects; raises what an odd record raises."""
    if not _EARLIEST < record.created < _LATEST:
        raise ValueError(f"{record.created} is no time that a row can have")
    message, template = _message(record, secret)
    event: dict[str, object] = {
        "v": VERSION,
        "time": record.created,
        "level": _level(record),
        "logger": clean_name(record.name or ""),
        "message": message,
        "source": _source(record.module, record.lineno, record.funcName),
        "file": clean_name(record.pathname, PATH_LIMIT),
        "host": _HOST,
        "pid": record.process,
        "thread": clean_name(record.threadName or ""),
    }
    if template is not None:
        event["template"] = template
    _add_request(event, actor)
    stack = record.stack_info
    if record.exc_info and isinstance(record.exc_info[1], BaseException):
        event["exception"] = capture(record.exc_info[1], record.exc_info[2])
    elif record.exc_text:
        # A record from another process has only the text of its exception.
        stack = "\n".join(filter(None, (record.exc_text, stack)))
    if stack:
        event["stack"] = clean_text(stack, hide=lambda text: redact_trace(without_colors(text)))
    if len(vars(record)) > _FEWEST_FIELDS and (extra := _extra(record)):
        event["extra"] = to_json(extra, secret)
    return event


def _salvage(record: logging.LogRecord, actor: Actor, secret: Pattern[str]) -> dict[str, Any]:
    """Return the event of an odd record: each part that raises is replaced by a marker, and the others are kept."""

    def tried(make: Callable[[], object], otherwise: Callable[[str], object] = str) -> Any:
        try:
            made = make()
            orjson.dumps(made)
            return made
        except BaseException as error:
            reraise_interrupt(error)
            return otherwise(RAISED.format(type(error).__name__))

    extra: dict[str, object] = {key: tried(partial(to_json, value, secret)) for key, value in _extra(record).items()}
    event: dict[str, Any] = internal("") | {
        "level": _level(record),
        "logger": tried(lambda: safe_str(record.name, NAME_LIMIT)),
        "message": tried(lambda: _message(record, secret)[0]),
        "source": tried(lambda: safe_str(f"{record.module}:{record.lineno} {record.funcName}", NAME_LIMIT)),
        "thread": tried(lambda: safe_str(record.threadName, NAME_LIMIT)),
        "file": tried(lambda: safe_str(record.pathname, PATH_LIMIT)),
    }
    if isinstance(record.created, float) and _EARLIEST < record.created < _LATEST:
        event["time"] = record.created
    else:
        extra["created"] = f"{ARRIVAL} {safe_str(record.created, NAME_LIMIT)}"
    event |= tried(lambda: _add_request({}, actor), lambda raised: {"request": {"path": raised}})
    if isinstance(record.exc_info, tuple) and isinstance(error := record.exc_info[1], BaseException):
        unknown = {"module": "builtins", "name": type(error).__name__, "frames": []}
        event["exception"] = tried(lambda: capture(error, error.__traceback__), lambda text: unknown | {"text": text})
    if stack := record.stack_info or record.exc_text:
        event["stack"] = safe_str(stack, TEXT_LIMIT)
    return event | {"extra": extra} if extra else event


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS}


@lru_cache(maxsize=1_024)
def _template(message: str) -> str:
    return clean_message(message, NAME_LIMIT)


@lru_cache(maxsize=4_096)
def _source(module: str, line: int, function: str) -> str:
    return clean_name(f"{module}:{line} {function}")


def _level(record: logging.LogRecord) -> int:
    """Return the level's number, within the bounds of the column's small integer."""
    level = record.levelno
    if not isinstance(level, int):
        return logging.ERROR
    return level if 0 <= level <= 32_767 else max(0, min(level, 32_767))


def _add_request(event: dict[str, object], actor: Actor) -> dict[str, object]:
    """Add the request that is served, if there is one, and who acts in it; returns the event."""
    if has_request_context():
        event["request"] = _request_facts(_current_request())
        event["user_id"], event["is_admin"] = _who(actor)
    elif (environ := served.get()) is not None:
        event["request"] = environ.get(_FACTS) or _request_facts(Request(environ, populate_request=False))
        event["user_id"], event["is_admin"] = environ.get(ACTOR, (None, None))
    return event


def _who(actor: Actor) -> tuple[int | None, bool | None]:
    try:
        return actor()
    except Exception:
        # An actor that asks the session raises while Flask is still opening it.
        return None, None


def format_message(record: logging.LogRecord, secret: Pattern[str]) -> str:
    """Return the message with its arguments; values under a secret's name are hidden in them.

    If an argument raises, the message says so and stays unformatted. Objects of the ORM are never asked for a text.

    :param secret: the keys to redact, see :func:`app.redaction.secret_names`
    """
    return _format(_text_of(record, secret), record, secret)


def _text_of(record: logging.LogRecord, secret: Pattern[str]) -> str:
    return record.msg if isinstance(record.msg, str) else safe_str(safe_argument(record.msg, secret), TEXT_LIMIT)


def _format(message: str, record: logging.LogRecord, secret: Pattern[str]) -> str:
    if not record.args:
        return message
    try:
        return message % _safe_arguments(record.args, secret)
    except BaseException as error:
        reraise_interrupt(error)
        return f"{message} {RAISED.format(type(error).__name__)} {to_json(record.args, secret)}"


def _message(record: logging.LogRecord, secret: Pattern[str]) -> tuple[str, str | None]:
    """Return the message with its arguments, and its template, None if there are no arguments."""
    message = _text_of(record, secret)
    formatted = clean_message(_format(message, record, secret))
    if not record.args:
        return formatted, None
    return formatted, _template(message) if len(message) <= NAME_LIMIT else clean_message(message, NAME_LIMIT)


def _safe_arguments(args: object, secret: Pattern[str]) -> object:
    if type(args) is tuple:
        if SCALARS.issuperset(map(type, args)):
            return args
        # The arguments stay a tuple: "%s" % (1,) and "%s" % [1] differ.
        return tuple([arg if type(arg) in SCALARS else safe_argument(arg, secret) for arg in args])
    if type(args) is dict:
        return {
            key: REDACTED if is_secret(str(key)[:NAME_LIMIT], secret) else safe_argument(item, secret)
            for key, item in args.items()
        }
    return safe_argument(args, secret)


def keep_request(environ: "WSGIEnvironment", actor: Actor) -> None:
    """Keep facts of the current request and of who acts in ``environ``, for records after the end of Flask's context.

    :param environ: the server's own environ; middleware may have given Flask a copy
    """
    environ[_FACTS], environ[ACTOR] = _request_facts(_current_request()), _who(actor)


def job_environ(name: str) -> "WSGIEnvironment":
    """Return a job's substitute for a request's environ: its id is the job's name, and all other facts are None."""
    job = clean_text(f"{JOB}{name}", 128)
    facts = {"id": job} | dict.fromkeys(("method", "path", "query", "user_agent", "ip", "endpoint"))
    return {REQUEST_ID: job, _FACTS: orjson.Fragment(orjson.dumps(facts))}


def _request_facts(of: Request) -> orjson.Fragment:
    """Return the facts that stay the same for a whole request. They are made once and kept in the request's environ."""
    facts: orjson.Fragment | None = of.environ.get(_FACTS)
    if facts is None:
        request_id, ip, endpoint = of.environ.get(REQUEST_ID), of.remote_addr, of.endpoint
        query, agent = of.query_string, of.environ.get("HTTP_USER_AGENT")
        made = {
            "id": None if request_id is None else safe_str(request_id, 128),
            "method": clean_text(of.method, 16),
            "path": clean_text(of.path, 2_048),
            "query": clean_text(query.decode("utf-8", "replace"), 2_048) if query else None,
            "user_agent": clean_text(agent, 512) if agent else None,
            "ip": None if ip is None else clean_text(ip, 64),
            "endpoint": None if endpoint is None else clean_name(endpoint),
        }
        facts = orjson.Fragment(orjson.dumps(made))
        if endpoint is not None or of.routing_exception is not None:
            # Before the URL is matched, for example while the session is opened, there is no endpoint yet.
            of.environ[_FACTS] = facts
    return facts
