"""A row of the log as people and programs read it."""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from typing import Any

import orjson

from ...terminal import inert_json
from ..grouping import deciding_frame
from .queries import Entry

_TONES = {10: "grey", 20: "blue", 30: "amber", 40: "red", 50: "crimson"}


def level_name(level: int) -> str:
    return logging.getLevelName(level)


def level_tone(level: int) -> str:
    """Return the colour of a level, one of those in components.css."""
    return _TONES[min(max(level // 10 * 10, 10), 50)]


def first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def pretty(value: object) -> str:
    """JSON data on several lines, for reading."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


def short_path(file: str, root: str) -> str:
    """A source file's path without what all have in common: the project's folder, or the environment's."""
    for start in (root, f"site-packages{os.sep}"):
        _, found, rest = file.rpartition(start)
        if found:
            return rest
    return file


@dataclass(frozen=True)
class Raised:
    """One exception of the chain, its frames in runs of the project's own and of libraries'."""

    name: str
    text: str
    runs: list[tuple[bool, list[dict[str, Any]]]]


def frame_runs(entry: Entry) -> list[Raised]:
    """The exceptions of a row, first raised first."""
    return [
        Raised(
            error["class"],
            error["text"],
            [(own, list(run)) for own, run in groupby(error["frames"], lambda frame: bool(frame["project"]))],
        )
        for error in entry.frames or ()
    ]


def why_grouped(entry: Entry, title: str, root: str) -> dict[str, str]:
    """What the rows of this row's problem have in common, see :mod:`app.dblog.grouping`."""
    if not entry.frames:
        return {"logger": entry.logger, "message": title}
    error = entry.frames[-1]
    frame = deciding_frame(error["frames"])
    place = f"{short_path(frame['file'], root)}, in {frame['function']}" if frame else "no frame"
    return {"exception": error["class"], "innermost frame of the project": place}


def as_json(entry: Entry, columns: Iterable[str] | None = None) -> dict[str, Any]:
    """All columns, times as ISO 8601 UTC, the level's name beside its number; or some columns."""
    values: dict[str, Any] = dict(entry._mapping)
    values["created_at"] = entry.created_at.astimezone(UTC).isoformat()
    values["level_name"] = level_name(entry.level)
    return values if columns is None else {name: values[name] for name in columns}


def json_line(value: object) -> str:
    """JSON on one line that is inert on a terminal, too."""
    return inert_json(orjson.dumps(value, default=str).decode())


def as_text(entry: Entry, local: bool = True) -> str:
    """Everything about one row as text, times local or in UTC; not inert yet."""
    moment = entry.created_at.astimezone(None if local else UTC)
    facts = {
        "time": moment.isoformat(sep=" ", timespec="milliseconds"),
        "level": level_name(entry.level),
        "logger": entry.logger,
        "source": entry.source,
        "request": f"{entry.method} {entry.path}" if entry.method else None,
        "request id": entry.request_id,
        "endpoint": entry.endpoint,
        "ip": entry.ip,
        "user": entry.user_id,
        "process": " ".join(str(part) for part in (entry.host, entry.pid, entry.thread) if part is not None),
        "fingerprint": entry.fingerprint,
    }
    lines = [f"{name:>11}  {value}" for name, value in facts.items() if value not in (None, "")]
    lines += ["", entry.message]
    if entry.trace:
        lines += ["", entry.trace.rstrip()]
    if entry.extra:
        lines += ["", f"extra: {pretty(entry.extra)}"]
    return "\n".join(lines)
