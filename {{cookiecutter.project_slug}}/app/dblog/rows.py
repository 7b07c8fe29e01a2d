"""An event as the columns of ``log_entry``: here, in the writer's thread, the dear work is done."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .plain import text
from .spool import Event
from .trace import class_name, frames_for_page, in_project, render

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
    captured = event.get("exception")
    request = event.get("request") or {}
    logged = float(event["time"])
    return {
        **_OPTIONAL,
        **event,
        **request,
        "event_id": event_id,
        "created_at": datetime.fromtimestamp(logged, UTC),
        "level": int(event["level"]),
        "logger": event["logger"],
        "message": event["message"],
        "exception": class_name(captured) if captured else None,
        "trace": render(captured, logged) if captured else event.get("stack"),
        "frames": frames_for_page(captured, root, logged) if captured else None,
        "fingerprint": fingerprint(event, root),
        "request_id": request.get("id"),
        "title": _title(event),
        "hour": _hour(logged // 3600),
    }


@lru_cache(maxsize=64)
def _hour(number: float) -> datetime:
    return datetime.fromtimestamp(number * 3600, UTC)


def fingerprint(event: Event, root: str) -> str:
    """What makes two records the same trouble. No line numbers and no rendered values: each deploy would part them."""
    captured = event.get("exception")
    if captured:
        frames = captured["frames"] or [["", 0, ""]]
        own = [frame for frame in frames if in_project(frame[0], root)]
        file, _, function, *_ = (own or frames)[-1]
        return _digest(class_name(captured), file.removeprefix(root), function)
    return _digest(event["logger"], _template(event))


# Few: a message without arguments may be long.
@lru_cache(maxsize=128)
def _digest(*parts: str) -> str:
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
    return f"{FINGERPRINT_VERSION}-{digest}"


def _title(event: Event) -> str:
    captured = event.get("exception")
    return text(f"{class_name(captured)}: {captured['text']}" if captured else _template(event), TITLE_LIMIT)


def _template(event: Event) -> str:
    """The message without its arguments."""
    template: str = event.get("template") or event["message"]
    return template
