"""An event as the columns of ``log_entry``. The expensive work on a record is done here, in the writer's thread."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

from .. import grouping
from ..journal.files import Event
from ..models import SEARCH_CHARACTERS
from .message_key import find_key, own_key
from .render import frames_for_page, render

Row = dict[str, Any]


def make_row(event_id: str, event: Event, root: str) -> Row:
    """Return the columns of the event's row, its problem's ``title`` and ``place``, and the ``hour`` it is counted in.

    Title and place are neither shortened nor cleaned of secrets: a batch stores those of one row for each problem, and
    cleans only these. Raises KeyError, TypeError or ValueError if it is no event.

    :param root: the project's folder with a separator at its end; files below it are the project's own
    """
    get, of_request = event.get, (event.get("request") or {}).get
    created_at = datetime.fromtimestamp(event["time"], UTC)
    return {
        "event_id": event_id,
        "created_at": created_at,
        "level": int(event["level"]),
        "logger": event["logger"],
        "message": event["message"],
        **(_of_exception(event, root) if event.get("exception") else _of_message(event, root)),
        "request_id": of_request("id"),
        "method": of_request("method"),
        "path": of_request("path"),
        "query": of_request("query"),
        "user_agent": of_request("user_agent"),
        "endpoint": of_request("endpoint"),
        "ip": of_request("ip"),
        "user_id": get("user_id"),
        "is_admin": get("is_admin"),
        "host": get("host"),
        "pid": get("pid"),
        "thread": get("thread"),
        "source": get("source"),
        "extra": get("extra"),
        "release": get("release") or None,
        # The hour is that of created_at: rounding the event's time to microseconds may carry it into the next hour.
        "hour": _start_of(created_at.date(), created_at.hour),
    }


@lru_cache(maxsize=64)
def _start_of(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), UTC)


def _of_exception(event: Event, root: str) -> Row:
    captured, logged = event["exception"], event["time"]
    # render() comes first: it finds out which sources have changed.
    trace = render(captured, logged, event.get("stack", ""))
    chain = frames_for_page(captured, root, logged)
    name, frames = chain[-1]["class"], chain[-1]["frames"]
    frame = grouping.deciding_frame(frames)
    return {
        "exception": name,
        "exception_text": captured["text"][:SEARCH_CHARACTERS],
        "trace": trace,
        "frames": chain,
        "fingerprint": _fingerprint(event, name, frames, root),
        "title": f"{name}: {captured['text']}",
        "place": f"{frame['function']} · {grouping.short_path(frame['file'], root)}:{frame['line']}" if frame else "",
    }


def _fingerprint(event: Event, name: str, frames: Sequence[grouping.Frame], root: str) -> str:
    if key := own_key(event):
        return grouping.fingerprint(grouping.KEY, key)
    frame = grouping.deciding_frame(frames)
    call = () if frame and frame["project"] else (event["logger"], find_key(event).text)
    return grouping.of_exception(name, frame, root, call)


def _of_message(event: Event, root: str) -> Row:
    found, key = find_key(event), own_key(event)
    parts = (grouping.KEY, key) if key else (found.rule, event["logger"], found.text)
    return {
        "exception": None,
        "exception_text": None,
        "trace": event.get("stack"),
        "frames": None,
        "fingerprint": grouping.fingerprint(*parts),
        "title": found.title,
        "place": _place(event.get("source") or "", event.get("file"), root),
    }


@lru_cache(maxsize=256)
def _place(source: str, file: str | None, root: str) -> str:
    """Return function, file and line of a logging call. They are cached, since a project has few such calls."""
    place, _, function = source.partition(" ")
    if file:
        place = f"{grouping.short_path(file, root)}:{place.rpartition(':')[2]}"
    return " · ".join(filter(None, (function, place)))
