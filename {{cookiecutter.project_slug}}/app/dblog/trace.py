"""Exceptions: captured as frames in the caller's thread (cheap), rendered as text by the writer (dear).

The text is what ``traceback.format_exception`` would have printed: the writer puts the captured chain back into the
standard library's own objects and lets those print it.
"""

import linecache
import os
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from types import CodeType, TracebackType
from typing import Any

import orjson

from .plain import NAME_LIMIT, TRUNCATED, spoken, text

MAX_FRAMES = 1_024
MAX_EXCEPTIONS = 64
MAX_NOTES = 20
ERROR_LIMIT = 16_384
PATH_LIMIT = 4_096
SOURCE_LINES = 5

# Where the interpreter prints the offending line, or adds a "Did you mean" that it finds in the living frames.
_EXPLAINED = (SyntaxError, NameError, AttributeError, ImportError)
_LIBRARY = tuple(os.path.join(path, "") for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")})

# Reading the columns of a frame walks its code's whole position table, so each place is read once.
# The value keeps the code object, or its id could be given to another.
_places: dict[tuple[int, int, int], tuple[CodeType, orjson.Fragment]] = {}
_PLACES_LIMIT = 4_096
_NO_MORE = orjson.Fragment(orjson.dumps([TRUNCATED, 0, TRUNCATED, None, None, None]))

Captured = dict[str, Any]


def capture(error: BaseException, trace: TracebackType | None) -> dict[str, object]:
    """The exception and its chain as JSON data: names, texts and notes as they are now, frames as numbers.

    :param trace: the traceback to show for ``error`` itself, as logging's ``exc_info`` gives it
    """
    room = [MAX_FRAMES]
    captured = _capture(error, trace, room)
    seen, todo = {id(error)}, [(captured, error)]
    while todo:
        # In the order of traceback.TracebackException: what two of them share is shown once, and with the same one.
        outer, error = todo.pop()
        inner: list[tuple[str, BaseException]] = []
        if error.__cause__ is not None and id(error.__cause__) not in seen:
            inner.append(("cause", error.__cause__))
        elif error.__context__ is not None and not error.__suppress_context__ and id(error.__context__) not in seen:
            inner.append(("context", error.__context__))
        if isinstance(error, BaseExceptionGroup):
            inner += [("group", each) for each in error.exceptions]
        for key, other in inner:
            if len(seen) >= MAX_EXCEPTIONS:
                outer.setdefault("notes", []).append(TRUNCATED)
                break
            seen.add(id(other))
            part = _capture(other, other.__traceback__, room)
            todo.append((part, other))
            if key == "group":
                outer.setdefault(key, []).append(part)
            else:
                outer[key] = part
    return captured


def without_chain(captured: Captured) -> Captured:
    """The exception alone, without its notes and those it came from."""
    return {key: captured[key] for key in ("module", "name", "text", "frames")} | {"notes": [TRUNCATED]}


def _capture(error: BaseException, trace: TracebackType | None, room: list[int]) -> Captured:
    kind = type(error)
    captured: Captured = {
        "module": text(kind.__module__, NAME_LIMIT),
        "name": text(kind.__qualname__, NAME_LIMIT),
        "text": spoken(error, ERROR_LIMIT, "<exception str() failed>"),
        "frames": _frames(trace, room),
    }
    if isinstance(error, _EXPLAINED):
        with suppress(Exception):
            explained = traceback.TracebackException(kind, error, trace, limit=0, compact=True)
            captured["lines"] = [text(line) for line in explained.format_exception_only()]
    if notes := _notes(error):
        captured["notes"] = notes
    if error.__suppress_context__:
        captured["from"] = True
    return captured


def _notes(error: BaseException) -> list[str]:
    """What ``add_note`` left; anything else that is called so is left out."""
    notes = vars(error).get("__notes__")
    if not isinstance(notes, (list, tuple)):
        return []
    cut = [TRUNCATED] * (len(notes) > MAX_NOTES)
    return [spoken(note, failed="<note str() failed>") for note in notes[:MAX_NOTES]] + cut


def _frames(trace: TracebackType | None, room: list[int]) -> list[orjson.Fragment]:
    frames = []
    while trace is not None and room[0] > 0:
        code = trace.tb_frame.f_code
        key = (id(code), trace.tb_lasti, trace.tb_lineno)
        place = _places.get(key)
        if place is None:
            if len(_places) >= _PLACES_LIMIT:
                _places.clear()
            place = _places[key] = (code, _place(code, trace))
        frames.append(place[1])
        room[0] -= 1
        trace = trace.tb_next
    return frames if trace is None else [*frames, _NO_MORE]


def _place(code: CodeType, trace: TracebackType) -> orjson.Fragment:
    # Sources that are in no file (a zipped package's) are only found by way of the frame.
    linecache.lazycache(code.co_filename, trace.tb_frame.f_globals)
    positions = islice(code.co_positions(), trace.tb_lasti // 2, None)
    line, *columns = next(positions, (None, None, None, None))
    line = trace.tb_lineno if line is None else line
    place = [text(code.co_filename, PATH_LIMIT), line, text(code.co_name, NAME_LIMIT), *columns]
    return orjson.Fragment(orjson.dumps(place))


def render(captured: Captured, logged: float) -> str:
    """The text of ``traceback.format_exception``; lines of a source changed since ``logged`` (Unix) are left out."""
    return "".join(_revive(captured, logged).format())


def class_name(captured: Captured) -> str:
    module = captured["module"]
    return captured["name"] if module in ("builtins", "__main__") else f"{module}.{captured['name']}"


def frames_for_page(captured: Captured, root: str, logged: float) -> list[dict[str, Any]]:
    """The chain's frames for the page: where, whether it is the project's own, and its source lines as of now.

    The exceptions come as a traceback prints them, first raised first; groups are not entered.
    """
    before = captured.get("cause") or captured.get("context")
    error = {
        "class": class_name(captured),
        "text": captured["text"],
        "frames": [_page_frame(frame, root, logged) for frame in captured["frames"]],
    }
    return [*(frames_for_page(before, root, logged) if before else []), error]


def deciding_frame(frames: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Of one exception's frames for the page, that which its group goes by: the innermost, of the project if any is."""
    own = [frame for frame in frames if frame["project"]] or frames
    return own[-1] if own else None


def _page_frame(frame: list[Any], root: str, logged: float) -> dict[str, Any]:
    file, line, function = frame[:3]
    # The project's own: below its root, and no installed package or virtual environment.
    project = file.startswith(root) and not file.startswith(_LIBRARY) and "site-packages" not in file
    shown = {"file": file, "line": line, "function": function, "project": project}
    version = _version(file, logged) if project else None
    if version is not None and (source := _source(file, line, version)):
        shown["first"] = max(1, line - SOURCE_LINES)
        shown["source"] = source
    return shown


@lru_cache(maxsize=1_024)
def _source(file: str, line: int, version: float) -> list[str]:
    lines = linecache.getlines(file)[max(0, line - SOURCE_LINES - 1) : line + SOURCE_LINES]
    return [text(source.rstrip("\n"), 500) for source in lines]


def _version(file: str, logged: float) -> float | None:
    """When the source was last changed (Unix time); None if that was after ``logged``."""
    try:
        changed = os.stat(file).st_mtime
    except OSError:
        # In no file: what is known of it now may be more later.
        return logged
    return None if changed > logged else changed


def _revive(captured: Captured, logged: float) -> traceback.TracebackException:
    revived = traceback.TracebackException(Exception, Exception(), None)
    revived.stack = _Stack(_summaries(captured["frames"], logged))
    revived.__suppress_context__ = captured.get("from", False)
    if "cause" in captured:
        revived.__cause__ = _revive(captured["cause"], logged)
    if "context" in captured:
        revived.__context__ = _revive(captured["context"], logged)
    if "group" in captured:
        revived.exceptions = [_revive(inner, logged) for inner in captured["group"]]
    lines = captured.get("lines") or _last_lines(captured)
    setattr(revived, "format_exception_only", lambda **_: iter(lines))  # noqa: B010 (a method of this one object)
    return revived


def _last_lines(captured: Captured) -> list[str]:
    said = f"{class_name(captured)}: {captured['text']}" if captured["text"] else class_name(captured)
    notes = [line for note in captured.get("notes", ()) for line in note.split("\n")]
    return [f"{line}\n" for line in (said, *notes)]


class _Frame(traceback.FrameSummary):
    """A frame that keeps its text: to find where the carets go, the standard library parses the line each time."""

    text: str | None = None


class _Stack(traceback.StackSummary):
    def format_frame_summary(self, frame_summary: traceback.FrameSummary, **options: Any) -> str:
        assert isinstance(frame_summary, _Frame)
        if frame_summary.text is None:
            frame_summary.text = super().format_frame_summary(frame_summary, **options)
        return frame_summary.text


def _summaries(frames: list[list[Any]], logged: float) -> Iterator[_Frame]:
    versions: dict[str, float | None] = {}
    for frame in frames:
        file = frame[0]
        if file not in versions:
            linecache.checkcache(file)
            versions[file] = _version(file, logged)
        yield _frame(tuple(frame), versions[file])


@lru_cache(maxsize=1_024)
def _frame(place: tuple[Any, ...], version: float | None) -> _Frame:
    file, line, function, end_line, column, end_column = place
    source = "" if version is None else None
    return _Frame(file, line, function, line=source, end_lineno=end_line, colno=column, end_colno=end_column)
