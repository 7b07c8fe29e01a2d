"""A LogRecord becomes one line of JSON, in the caller's thread, without a question to the ORM or a database.

The fields, their types and the version ``v`` are documented in docs/journal.md; other programs read these lines too.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from functools import lru_cache
from re import Pattern
from typing import Any, cast

import orjson
from flask import Request, g, has_request_context, request
from werkzeug.local import LocalProxy

from .plain import ATOMS, NAME_LIMIT, RAISED, REDACTED, TEXT_LIMIT, TRUNCATED, is_secret, plain, shield, spoken, text
from .trace import capture, without_chain

VERSION = 1
LINE_LIMIT = 1_048_576

#: Tells who is acting, as (user id, is admin), from memory alone; (None, None) for nobody.
Actor = Callable[[], tuple[int | None, bool | None]]

_HOST = text(socket.gethostname(), NAME_LIMIT)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FEWEST = len(vars(logging.makeLogRecord({})))
_FACTS = "dblog.facts"

# Asking the proxy for the request costs a fifth of asking it for one of the request's attributes.
_current_request = cast("LocalProxy[Request]", request)._get_current_object


def encode(record: logging.LogRecord, actor: Actor, secret: Pattern[str]) -> bytes:
    """The record as a line of JSON, newline included; the little that is certain, if it resists.

    :param actor: see :data:`Actor`
    :param secret: the keys to redact, see :func:`app.dblog.plain.secret_names`
    """
    try:
        line = _bounded(_event(record, actor, secret))
    except Exception as error:
        event = internal(f"{spoken(record.msg)} {RAISED.format(type(error).__name__)}")
        event |= {"time": record.created, "level": _level(record), "logger": spoken(record.name, NAME_LIMIT)}
        line = orjson.dumps(event)
    return line + b"\n"


def internal(message: str) -> dict[str, object]:
    """An event of the log's own, as :func:`encode` would make it."""
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
    """The event as JSON, without its extra and the exception's chain where it would be more than a server takes."""
    line = orjson.dumps(event)
    size = f"{len(line):,} bytes"
    if len(line) > LINE_LIMIT and "extra" in event:
        line = orjson.dumps(event | {"extra": {TRUNCATED: size}})
    if len(line) > LINE_LIMIT and "exception" in event:
        line = orjson.dumps(event | {"extra": {TRUNCATED: size}, "exception": without_chain(event["exception"])})
    return line


def _event(record: logging.LogRecord, actor: Actor, secret: Pattern[str]) -> dict[str, object]:
    """The record as JSON data; nothing in it refers to live objects any more."""
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
        event["stack"] = text(record.stack_info)
    fields = vars(record)
    if len(fields) > _FEWEST and (extra := {key: fields[key] for key in fields if key not in _STANDARD}):
        event["extra"] = plain(extra, secret)
    return event


@lru_cache(maxsize=1_024)
def _name(name: str | None) -> str:
    return text(name or "", NAME_LIMIT)


@lru_cache(maxsize=4_096)
def _source(module: str, line: int, function: str) -> str:
    return text(f"{module}:{line} {function}", NAME_LIMIT)


def _level(record: logging.LogRecord) -> int:
    """The level's number, as far as a small integer goes."""
    level = record.levelno
    if not isinstance(level, int):
        return logging.ERROR
    return level if 0 <= level <= 32_767 else max(0, min(level, 32_767))


def _who(actor: Actor) -> tuple[int | None, bool | None]:
    try:
        return actor()
    except Exception:
        # Say so early in a request that there is no session yet.
        return None, None


def _message(record: logging.LogRecord, secret: Pattern[str]) -> tuple[str, str | None]:
    """The message with its arguments, and the message without them where that is another text."""
    message = record.msg if isinstance(record.msg, str) else spoken(shield(record.msg, secret), TEXT_LIMIT)
    if not record.args:
        return text(message), None
    try:
        formatted = message % _shielded(record.args, secret)
    except Exception as error:
        formatted = f"{message} {RAISED.format(type(error).__name__)} {plain(record.args, secret)}"
    return text(formatted), _name(message) if len(message) <= NAME_LIMIT else text(message, NAME_LIMIT)


def _shielded(args: object, secret: Pattern[str]) -> object:
    if type(args) is tuple:
        # Stays a tuple: "%s" % (1,) and "%s" % [1] differ.
        return tuple([arg if type(arg) in ATOMS else shield(arg, secret) for arg in args])
    if type(args) is dict:
        return {key: REDACTED if is_secret(str(key), secret) else shield(item, secret) for key, item in args.items()}
    return shield(args, secret)


def _request_facts() -> orjson.Fragment:
    """What stays the same for a whole request, made once; kept in the environ, which no other request shares."""
    environ = _current_request().environ
    facts: orjson.Fragment | None = environ.get(_FACTS)
    if facts is None:
        request_id = g.get("request_id")
        ip, endpoint = request.remote_addr, request.endpoint
        made = {
            "id": None if request_id is None else spoken(request_id, 128),
            "method": text(request.method, 16),
            "path": text(request.path, 2_048),
            "ip": None if ip is None else text(ip, 64),
            "endpoint": None if endpoint is None else _name(endpoint),
        }
        facts = orjson.Fragment(orjson.dumps(made))
        if request_id is not None:
            environ[_FACTS] = facts
    return facts
