"""An event as the columns of ``log_entry``: here, in the writer's thread, the dear work is done."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .plain import text
from .spool import Event
from .trace import deciding_frame, frames_for_page, render

FINGERPRINT_VERSION = "1"
TITLE_LIMIT = 500

# Columns that have the name of the event's or its request's field, where there is one.
_OPTIONAL = dict.fromkeys(
    ["user_id", "is_admin", "host", "pid", "thread", "source", "extra", "method", "path", "endpoint", "ip"]
)

Row = dict[str, Any]


def make_row(event_id: str, event: Event, root: str) -> Row:
    """The event with its row's columns, and under ``title`` its group's name, under ``hour`` when its hour began.

    Raises KeyError, TypeError or ValueError if it is no event.

    :param root: the project's folder with a separator at its end; files below it are the project's own
    """
    request = event.get("request") or {}
    return {
        **_OPTIONAL,
        **event,
        **request,
        **(_of_exception(event, root) if event.get("exception") else _of_message(event)),
        "event_id": event_id,
        "created_at": datetime.fromtimestamp(event["time"], UTC),
        "level": int(event["level"]),
        "request_id": request.get("id"),
        "hour": _hour(event["time"] // 3600),
    }


@lru_cache(maxsize=64)
def _hour(number: float) -> datetime:
    return datetime.fromtimestamp(number * 3600, UTC)


def _of_exception(event: Event, root: str) -> Row:
    captured, logged = event["exception"], event["time"]
    # First: it looks for sources that have changed.
    trace = render(captured, logged)
    chain = frames_for_page(captured, root, logged)
    name = chain[-1]["class"]
    frame = deciding_frame(chain[-1]["frames"]) or {"file": "", "function": ""}
    return {
        "exception": name,
        "trace": trace,
        "frames": chain,
        "fingerprint": fingerprint(name, frame["file"].removeprefix(root), frame["function"]),
        "title": text(f"{name}: {captured['text']}", TITLE_LIMIT),
    }


def _of_message(event: Event) -> Row:
    template = event.get("template") or event["message"]
    return {
        "exception": None,
        "trace": event.get("stack"),
        "frames": None,
        "fingerprint": fingerprint(event["logger"], template),
        "title": text(template, TITLE_LIMIT),
    }


# Few: a message without arguments may be long.
@lru_cache(maxsize=128)
def fingerprint(*parts: str) -> str:
    """What makes two records the same trouble. No line numbers and no rendered values: each deploy would part them."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
    return f"{FINGERPRINT_VERSION}-{digest}"
