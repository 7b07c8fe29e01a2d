"""A LogRecord becomes one line of JSON, in the caller's thread, without asking the ORM or a database.

The fields, their types and the version ``v`` are documented in docs/journal.md; other programs read these lines too.
"""

import logging
import os
import socket
import time
from functools import lru_cache
from re import Pattern
from typing import Any, cast

import orjson
from flask import Request, g, has_request_context, request
from werkzeug.local import LocalProxy

from ...actor import Actor
from ...redaction import REDACTED, is_secret
from .sanitize import NAME_LIMIT, RAISED, SCALARS, TEXT_LIMIT, TRUNCATED, clean_text, safe_argument, safe_str, to_json
from .tracebacks import capture, without_chain

VERSION = 1
LINE_LIMIT_BYTES = 1_048_576

_HOST = clean_text(socket.gethostname(), NAME_LIMIT)
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FEWEST_FIELDS = len(vars(logging.makeLogRecord({})))
_FACTS = "dblog.facts"

# To ask the proxy for the request costs a fifth of what one of the proxy's own attributes costs.
_current_request = cast("LocalProxy[Request]", request)._get_current_object


def encode(record: logging.LogRecord, actor: Actor, secret: Pattern[str]) -> bytes:
    """Return the record as a line of JSON, newline included; of a record that resists, the little that is certain.

    :param actor: tells who is acting, see :data:`app.actor.Actor`
    :param secret: the keys to redact, see :func:`app.redaction.secret_names`
    """
    try:
        line = _bounded(_event(record, actor, secret))
    except Exception as error:
        event = internal(f"{safe_str(record.msg)} {RAISED.format(type(error).__name__)}")
        event |= {"time": record.created, "level": _level(record), "logger": safe_str(record.name, NAME_LIMIT)}
        line = orjson.dumps(event)
    return line + b"\n"


def internal(message: str) -> dict[str, object]:
    """Return an event of the log's own, as :func:`encode` would make it from a record."""
    return {
        "v": VERSION,
        "time": time.time(),
        "level": logging.ERROR,
        "logger": "dblog",
        "message": message,
        "host": _HOST,
        "pid": os.getpid(),
    }


def _bounded(event: dict[str, Any]) -> bytes:
    """Return the event as JSON; one larger than a server takes loses its extra, then the exception's chain."""
    line = orjson.dumps(event)
    size = f"{len(line):,} bytes"
    if len(line) > LINE_LIMIT_BYTES and "extra" in event:
        line = orjson.dumps(event | {"extra": {TRUNCATED: size}})
    if len(line) > LINE_LIMIT_BYTES and "exception" in event:
        line = orjson.dumps(event | {"extra": {TRUNCATED: size}, "exception": without_chain(event["exception"])})
    return line


def _event(record: logging.LogRecord, actor: Actor, secret: Pattern[str]) -> dict[str, object]:
    """Return the record as JSON data that refers to no living object any more."""
    message, template = _message(record, secret)
    event: dict[str, object] = {
        "v": VERSION,
        "time": record.created,
        "level": _level(record),
        "logger": _name(record.name),
        "message": message,
        "source": _source(record.module, record.lineno, record.funcName),
        "host": _HOST,
        "pid": record.process,
        "thread": _name(record.threadName),
    }
    if template is not None:
        event["template"] = template
    if has_request_context():
        event["request"] = _request_facts()
        event["user_id"], event["is_admin"] = _who(actor)
    if record.exc_info and isinstance(record.exc_info[1], BaseException):
        event["exception"] = capture(record.exc_info[1], record.exc_info[2])
    if record.stack_info:
        event["stack"] = clean_text(record.stack_info)
    fields = vars(record)
    if len(fields) > _FEWEST_FIELDS and (extra := {key: fields[key] for key in fields if key not in _STANDARD_FIELDS}):
        event["extra"] = to_json(extra, secret)
    return event


@lru_cache(maxsize=1_024)
def _name(name: str | None) -> str:
    return clean_text(name or "", NAME_LIMIT)


@lru_cache(maxsize=4_096)
def _source(module: str, line: int, function: str) -> str:
    return clean_text(f"{module}:{line} {function}", NAME_LIMIT)


def _level(record: logging.LogRecord) -> int:
    """Return the level's number, within what the column's small integer holds."""
    level = record.levelno
    if not isinstance(level, int):
        return logging.ERROR
    return level if 0 <= level <= 32_767 else max(0, min(level, 32_767))


def _who(actor: Actor) -> tuple[int | None, bool | None]:
    try:
        return actor()
    except Exception:
        # An actor that asks the session raises while Flask is still opening it.
        return None, None


def _message(record: logging.LogRecord, secret: Pattern[str]) -> tuple[str, str | None]:
    """Return the message with its arguments, and its template, None where there are no arguments."""
    message = record.msg if isinstance(record.msg, str) else safe_str(safe_argument(record.msg, secret), TEXT_LIMIT)
    if not record.args:
        return clean_text(message), None
    try:
        formatted = message % _safe_arguments(record.args, secret)
    except Exception as error:
        formatted = f"{message} {RAISED.format(type(error).__name__)} {to_json(record.args, secret)}"
    return clean_text(formatted), _name(message) if len(message) <= NAME_LIMIT else clean_text(message, NAME_LIMIT)


def _safe_arguments(args: object, secret: Pattern[str]) -> object:
    if type(args) is tuple:
        # It stays a tuple: "%s" % (1,) and "%s" % [1] differ.
        return tuple([arg if type(arg) in SCALARS else safe_argument(arg, secret) for arg in args])
    if type(args) is dict:
        return {
            key: REDACTED if is_secret(str(key), secret) else safe_argument(item, secret) for key, item in args.items()
        }
    return safe_argument(args, secret)


def _request_facts() -> orjson.Fragment:
    """Return what stays the same for a whole request. It is made once and kept in that request's environ."""
    environ = _current_request().environ
    facts: orjson.Fragment | None = environ.get(_FACTS)
    if facts is None:
        request_id = g.get("request_id")
        ip, endpoint = request.remote_addr, request.endpoint
        made = {
            "id": None if request_id is None else safe_str(request_id, 128),
            "method": clean_text(request.method, 16),
            "path": clean_text(request.path, 2_048),
            "ip": None if ip is None else clean_text(ip, 64),
            "endpoint": None if endpoint is None else _name(endpoint),
        }
        facts = orjson.Fragment(orjson.dumps(made))
        if request_id is not None:
            environ[_FACTS] = facts
    return facts
