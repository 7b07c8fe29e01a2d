"""An exception and its chain as JSON data, captured in the caller's thread: frames as numbers and names.

Capturing is cheap. :mod:`app.dblog.store.render` does the expensive part, text and source lines, in the writer's
thread.
"""

import linecache
import traceback
from itertools import islice
from types import CodeType, TracebackType
from typing import Any

import orjson

from ...interrupts import reraise_interrupt
from ...terminal import how_many
from .sanitize import TRUNCATED, clean_name, clean_text, safe_str

MAX_FRAMES = 1_024
MAX_EXCEPTIONS = 64
MAX_NOTES = 20
MORE_EXCEPTIONS = f"{TRUNCATED} more exceptions"
# Lengths in characters.
ERROR_LIMIT = 16_384
PATH_LIMIT = 4_096

# For these the interpreter prints the wrong line of code, or a "Did you mean" that it finds in the living frames.
_EXPLAINED = (SyntaxError, NameError, AttributeError, ImportError)

# Each place is read only once: to find a frame's columns, Python reads the whole position table of its code.
# The value keeps the code object alive: otherwise Python could give its id to another one.
_places: dict[tuple[int, int, int], tuple[CodeType, orjson.Fragment]] = {}
_MAX_PLACES = 4_096

#: An exception as docs/journal.md describes it.
Captured = dict[str, Any]


def capture(error: BaseException, trace: TracebackType | None) -> dict[str, object]:
    """Return the exception and its chain as JSON data: names, texts and notes as they are now.

    :param trace: the traceback to show for ``error`` itself, as logging's ``exc_info`` gives it
    """
    frames_left = [MAX_FRAMES]
    captured = _capture(error, trace, frames_left)
    seen, todo, visits = {id(error)}, [(captured, error)], 1
    while todo:
        # The order is that of traceback.TracebackException: an exception that two others share is shown only with the
        # same one of the two.
        outer, error = todo.pop()
        inner: list[tuple[str, BaseException]] = []
        if error.__cause__ is not None and id(error.__cause__) not in seen:
            inner.append(("cause", error.__cause__))
        elif error.__context__ is not None and not error.__suppress_context__ and id(error.__context__) not in seen:
            inner.append(("context", error.__context__))
        if isinstance(error, BaseExceptionGroup):
            inner += [("group", each) for each in error.exceptions[:MAX_EXCEPTIONS]]
        for key, other in inner:
            # The bound is on visits, not on exceptions: a group may have the same exceptions again and again.
            if visits >= MAX_EXCEPTIONS:
                outer.setdefault("notes", []).append(MORE_EXCEPTIONS)
                if "lines" in outer:
                    outer["lines"].append(f"{MORE_EXCEPTIONS}\n")
                break
            visits += 1
            seen.add(id(other))
            part = _capture(other, other.__traceback__, frames_left)
            todo.append((part, other))
            if key == "group":
                outer.setdefault(key, []).append(part)
            else:
                outer[key] = part
    return captured


def without_chain(captured: Captured) -> Captured:
    """Return the exception alone, without its notes and without the exceptions that it came from."""
    return {key: captured[key] for key in ("module", "name", "text", "frames")} | {"notes": [TRUNCATED]}


def _capture(error: BaseException, trace: TracebackType | None, frames_left: list[int]) -> Captured:
    kind = type(error)
    captured: Captured = {
        # A class may have no module any more; the interpreter itself cannot print such a class.
        "module": clean_name(kind.__module__ or "builtins"),
        "name": clean_name(kind.__qualname__),
        "text": safe_str(error, ERROR_LIMIT, "<exception str() failed>"),
        "frames": _frames(trace, frames_left),
    }
    notes = vars(error).get("__notes__", ())
    listed = isinstance(notes, (list, tuple))
    # Interpreters also differ in how they print notes that are no list, so the running one prints them now.
    if isinstance(error, _EXPLAINED) or not listed:
        try:
            explained = traceback.TracebackException(kind, error, trace, limit=0, compact=True)
            captured["lines"] = [clean_text(line) for line in explained.format_exception_only()]
        except BaseException as raised:
            reraise_interrupt(raised)
    if notes and listed:
        captured["notes"] = [safe_str(note, failed="<note str() failed>") for note in notes[:MAX_NOTES]]
        captured["notes"] += [TRUNCATED] * (len(notes) > MAX_NOTES)
    if error.__suppress_context__:
        captured["from"] = True
    return captured


def _frames(trace: TracebackType | None, frames_left: list[int]) -> list[orjson.Fragment]:
    """Return the frames, outermost first; of too many those at both ends, since the last one raised the exception."""
    traces: list[TracebackType] = []
    while trace is not None:
        traces.append(trace)
        trace = trace.tb_next
    left_out = max(0, len(traces) - frames_left[0])
    frames_left[0] -= len(traces) - left_out
    if not left_out:
        return [_frame(each) for each in traces]
    end = (len(traces) - left_out) // 2
    cut = orjson.Fragment(orjson.dumps([TRUNCATED, 0, how_many(left_out, "frame"), None, None, None]))
    start = len(traces) - left_out - end
    return [*map(_frame, traces[:start]), cut, *map(_frame, traces[start + left_out :])]


def _frame(trace: TracebackType) -> orjson.Fragment:
    code = trace.tb_frame.f_code
    place = _places.get(key := (id(code), trace.tb_lasti, trace.tb_lineno))
    if place is None:
        if len(_places) >= _MAX_PLACES:
            _places.clear()
        place = _places[key] = (code, _place(code, trace))
    return place[1]


def _place(code: CodeType, trace: TracebackType) -> orjson.Fragment:
    # If the source is in no file (as in a zipped package), only the living frame leads to it.
    linecache.lazycache(code.co_filename, trace.tb_frame.f_globals)
    positions = islice(code.co_positions(), trace.tb_lasti // 2, None)
    line, *columns = next(positions, (None, None, None, None))
    line = trace.tb_lineno if line is None else line
    place = [clean_name(code.co_filename, PATH_LIMIT), line, clean_name(code.co_name), *columns]
    return orjson.Fragment(orjson.dumps(place))
