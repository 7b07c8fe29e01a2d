"""An exception and its chain as JSON data, captured in the caller's thread: frames as numbers and names.

Capturing is cheap. The expensive part, text and source lines, is :mod:`app.dblog.store.render`'s, in the writer's
thread.
"""

import linecache
import traceback
from contextlib import suppress
from itertools import islice
from types import CodeType, TracebackType
from typing import Any

import orjson

from .sanitize import NAME_LIMIT, TRUNCATED, clean_text, safe_str

MAX_FRAMES = 1_024
MAX_EXCEPTIONS = 64
MAX_NOTES = 20
# Lengths in characters.
ERROR_LIMIT = 16_384
PATH_LIMIT = 4_096

# For these the interpreter prints the offending line, or adds a "Did you mean" that it finds in the living frames.
_EXPLAINED = (SyntaxError, NameError, AttributeError, ImportError)

# To read the columns of a frame, Python walks the whole position table of its code, so each place is read once.
# The value keeps the code object alive: otherwise its id could be given to another one.
_places: dict[tuple[int, int, int], tuple[CodeType, orjson.Fragment]] = {}
_MAX_PLACES = 4_096
_NO_MORE = orjson.Fragment(orjson.dumps([TRUNCATED, 0, TRUNCATED, None, None, None]))

#: An exception as docs/journal.md describes it.
Captured = dict[str, Any]


def capture(error: BaseException, trace: TracebackType | None) -> dict[str, object]:
    """Return the exception and its chain as JSON data: names, texts and notes as they are now.

    :param trace: the traceback to show for ``error`` itself, as logging's ``exc_info`` gives it
    """
    frames_left = [MAX_FRAMES]
    captured = _capture(error, trace, frames_left)
    seen, todo = {id(error)}, [(captured, error)]
    while todo:
        # The order is that of traceback.TracebackException: an exception that two others share is shown once, and
        # with the same one of the two.
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
        "module": clean_text(kind.__module__, NAME_LIMIT),
        "name": clean_text(kind.__qualname__, NAME_LIMIT),
        "text": safe_str(error, ERROR_LIMIT, "<exception str() failed>"),
        "frames": _frames(trace, frames_left),
    }
    if isinstance(error, _EXPLAINED):
        with suppress(Exception):
            explained = traceback.TracebackException(kind, error, trace, limit=0, compact=True)
            captured["lines"] = [clean_text(line) for line in explained.format_exception_only()]
    if notes := _notes(error):
        captured["notes"] = notes
    if error.__suppress_context__:
        captured["from"] = True
    return captured


def _notes(error: BaseException) -> list[str]:
    """Return the notes that ``add_note`` left; a ``__notes__`` of another type is left out."""
    notes = vars(error).get("__notes__")
    if not isinstance(notes, (list, tuple)):
        return []
    cut = [TRUNCATED] * (len(notes) > MAX_NOTES)
    return [safe_str(note, failed="<note str() failed>") for note in notes[:MAX_NOTES]] + cut


def _frames(trace: TracebackType | None, frames_left: list[int]) -> list[orjson.Fragment]:
    frames = []
    while trace is not None and frames_left[0] > 0:
        code = trace.tb_frame.f_code
        key = (id(code), trace.tb_lasti, trace.tb_lineno)
        place = _places.get(key)
        if place is None:
            if len(_places) >= _MAX_PLACES:
                _places.clear()
            place = _places[key] = (code, _place(code, trace))
        frames.append(place[1])
        frames_left[0] -= 1
        trace = trace.tb_next
    return frames if trace is None else [*frames, _NO_MORE]


def _place(code: CodeType, trace: TracebackType) -> orjson.Fragment:
    # A source that is in no file (of a zipped package) can only be found by way of the living frame.
    linecache.lazycache(code.co_filename, trace.tb_frame.f_globals)
    positions = islice(code.co_positions(), trace.tb_lasti // 2, None)
    line, *columns = next(positions, (None, None, None, None))
    line = trace.tb_lineno if line is None else line
    place = [clean_text(code.co_filename, PATH_LIMIT), line, clean_text(code.co_name, NAME_LIMIT), *columns]
    return orjson.Fragment(orjson.dumps(place))
