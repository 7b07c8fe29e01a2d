"""A row of the log as people and programs read it."""

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import orjson

from ...terminal import Colored, how_many, inert, inert_json, without_colors
from ..grouping import deciding_frame, short_path
from .queries import Entry

_FRAME = re.compile(r'  File "(.+)", line \d')
_TERMINAL_COLORS = {10: "bright_black", 20: "blue", 30: "yellow", 40: "red", 50: "magenta"}
_TONES = {10: "grey", 20: "blue", 30: "amber", 40: "red", 50: "crimson"}


def level_name(level: int) -> str:
    """Return the level's name without the escape sequences that colour it on a terminal."""
    return inert(without_colors(logging.getLevelName(level)))


def level_tone(level: int) -> str:
    """Return the colour of a level, one of those in components.css."""
    return _TONES[_standard(level)]


def level_cell(level: int) -> Colored:
    """Return the level for a table on a terminal."""
    return Colored(level_name(level), _TERMINAL_COLORS[_standard(level)])


def _standard(level: int) -> int:
    """Return the standard level at or below this one; the lowest for a level below all of them."""
    return min(max(level // 10 * 10, 10), 50)


def first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def pretty(value: object) -> str:
    """Return JSON data on several lines, for reading."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


#: One exception of the chain: its class, its text, and its frames in runs; True marks a run of the project's frames.
Raised = tuple[str, str, list[tuple[bool, list[dict[str, Any]]]]]


def frame_runs(entry: Entry) -> list[Raised]:
    """Return the exceptions of a row, first raised first."""

    def runs(frames: list[dict[str, Any]]) -> list[tuple[bool, list[dict[str, Any]]]]:
        return [(own, list(run)) for own, run in groupby(frames, lambda frame: bool(frame["project"]))]

    return [(error["class"], error["text"], runs(error["frames"])) for error in entry.frames or ()]


def why_grouped(entry: Entry, title: str, root: str) -> dict[str, str]:
    """Return what the rows of this row's problem have in common, see :mod:`app.dblog.grouping`."""
    if not entry.frames:
        return {"logger": entry.logger, "message": title}
    error = entry.frames[-1]
    frame = deciding_frame(error["frames"])
    place = f"{short_path(frame['file'], root)}, in {frame['function']}" if frame else "no frame"
    return {"exception": error["class"], "innermost frame of the project": place}


def repeats_request(entry: Entry) -> bool:
    """Return whether the message only repeats the request, as Flask's message of an uncaught exception does."""
    return bool(entry.exception) and entry.message == f"Exception on {entry.path} [{entry.method}]"


def heading(entry: Entry) -> str:
    """Return the message, or the exception's class and text if the message only repeats the request."""
    if not repeats_request(entry):
        return str(entry.message)
    return f"{entry.exception}: {entry.exception_text or ''}".removesuffix(": ")


def source_of(entry: Entry, root: str) -> str | None:
    """Return the place of the logging call, or the deciding frame's place if that call is Flask's own."""
    frame = deciding_frame(entry.frames[-1]["frames"]) if entry.frames and repeats_request(entry) else None
    if frame is None:
        source: str | None = entry.source
        return source
    return f"{short_path(frame['file'], root)}:{frame['line']} {frame['function']}"


def columns_as_json(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a row or problem, times as ISO 8601 UTC, and the level's name beside its number."""
    values = {name: each.isoformat() if isinstance(each, datetime) else each for name, each in columns.items()}
    return values | {"level_name": level_name(columns["level"])}


def as_json(entry: Entry) -> dict[str, Any]:
    return columns_as_json(dict(entry._mapping))


def json_line(value: object) -> str:
    """Return JSON on one line that is inert on a terminal, too."""
    return inert_json(orjson.dumps(value, default=str).decode())


def as_text(entry: Entry, root: str, local: bool = True, folded: bool = False) -> str:
    """Return everything about one row as text; the caller makes it safe for a terminal with ``inert``.

    :param root: the project's folder with a separator at its end
    :param local: whether the time is in this machine's zone, not in UTC
    :param folded: whether one line stands for each run of library frames
    """
    moment = entry.created_at.astimezone(None if local else UTC)
    facts = {
        "time": moment.isoformat(sep=" ", timespec="milliseconds"),
        "level": level_name(entry.level),
        "logger": entry.logger,
        "source": source_of(entry, root),
        "release": entry.release,
        "request": f"{entry.method} {entry.path}" if entry.method else None,
        "request id": entry.request_id,
        "query": entry.query,
        "endpoint": entry.endpoint,
        "ip": entry.ip,
        "user agent": entry.user_agent,
        "user": entry.user_id,
        "process": " ".join(str(part) for part in (entry.host, entry.pid, entry.thread) if part is not None),
        "fingerprint": entry.fingerprint,
    }
    lines = [f"{name:>11}  {value}" for name, value in facts.items() if value not in (None, "")]
    lines += ["", entry.message]
    if entry.trace:
        lines += ["", fold_libraries(entry) if folded else entry.trace.rstrip()]
    if entry.extra:
        lines += ["", f"extra: {pretty(entry.extra)}"]
    return "\n".join(lines)


def fold_libraries(entry: Entry) -> str:
    """Return a row's traceback with one line for each run of library frames, or all of it if no frame is ours."""
    frames = [frame for error in entry.frames or () for frame in error["frames"]]
    libraries = {frame["file"] for frame in frames if not frame["project"]}
    trace = (entry.trace or "").rstrip().split("\n")
    if not any(frame["project"] for frame in frames):
        return "\n".join(trace)
    lines: list[str] = []
    count, in_library = 0, False
    for line in trace:
        if frame := _FRAME.match(line):
            in_library = frame[1] in libraries
            count += in_library
        elif not line.startswith("  "):  # deeper lines belong to the frame above them
            in_library = False
        if in_library:
            continue
        if count:
            lines.append(f"  … {how_many(count, 'library frame')}")
            count = 0
        lines.append(line)
    return "\n".join(lines)
