"""An event as the columns of ``log_entry``. The expensive work is done here, in the writer's thread."""

from datetime import UTC, datetime
from typing import Any

from ...database import hour_of
from .. import grouping
from ..capture.sanitize import clean_text
from ..journal.files import Event
from .render import frames_for_page, render

TITLE_LIMIT = 500

Row = dict[str, Any]


def make_row(event_id: str, event: Event, root: str) -> Row:
    """Return the columns of the event's row, its problem's ``title``, and the ``hour`` in which it is counted.

    Raises KeyError, TypeError or ValueError if it is no event.

    :param root: the project's folder with a separator at its end; files below it are the project's own
    """
    request = event.get("request") or {}
    created_at = datetime.fromtimestamp(event["time"], UTC)
    return {
        "event_id": event_id,
        "created_at": created_at,
        "level": int(event["level"]),
        "logger": event["logger"],
        "message": event["message"],
        **(_of_exception(event, root) if event.get("exception") else _of_message(event)),
        "request_id": request.get("id"),
        **{name: request.get(name) for name in ("method", "path", "endpoint", "ip")},
        **{name: event.get(name) for name in ("user_id", "is_admin", "host", "pid", "thread", "source", "extra")},
        # Of created_at, not of the event's time, which rounding to microseconds may carry into the next hour.
        "hour": hour_of(created_at),
    }


def _of_exception(event: Event, root: str) -> Row:
    captured, logged = event["exception"], event["time"]
    # render() comes first: it looks which sources have changed.
    trace = render(captured, logged)
    chain = frames_for_page(captured, root, logged)
    name = chain[-1]["class"]
    return {
        "exception": name,
        "trace": trace,
        "frames": chain,
        "fingerprint": grouping.of_exception(name, chain[-1]["frames"], root),
        "title": clean_text(f"{name}: {captured['text']}", TITLE_LIMIT),
    }


def _of_message(event: Event) -> Row:
    template = event.get("template") or event["message"]
    return {
        "exception": None,
        "trace": event.get("stack"),
        "frames": None,
        "fingerprint": grouping.fingerprint(event["logger"], template),
        "title": clean_text(template, TITLE_LIMIT),
    }
