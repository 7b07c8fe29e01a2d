"""A captured exception as text, and as frames for the page; the writer's thread makes both.

The text is what ``traceback.format_exception`` would have printed: the captured chain is put back into the standard
library's own objects, and those print it.
"""

import linecache
import os
import sysconfig
import traceback
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ...redaction import redact_code
from ..capture.sanitize import TEXT_LIMIT, TRUNCATED, clean_text
from ..capture.tracebacks import Captured
from .folding import drop_sources, fold_cycles

#: How many characters are kept at either end of a text that is too long; the mark between the ends has room.
TRACE_END = TEXT_LIMIT // 2 - 32
SOURCE_LINES = 5
SOURCE_LINE_LIMIT = 500

_LIBRARY = tuple(os.path.join(path, "") for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")})


def render(captured: Captured, logged: float, stack: str = "") -> str:
    """Return the text of ``traceback.format_exception`` with secrets hidden; a text that is too long keeps its ends.

    :param logged: when the exception was logged (Unix time); lines of a source that changed since then are left out
    :param stack: the text that follows the traceback
    """
    text = "".join(_revive(captured, logged).format()) + stack
    if len(text) <= TEXT_LIMIT:
        return text
    left_out = len(text) - 2 * TRACE_END
    return f"{text[:TRACE_END]}\n{TRUNCATED} {left_out:,} characters\n{text[-TRACE_END:]}"


def class_name(captured: Captured) -> str:
    """Return the exception's class as a traceback names it, with its module unless that is obvious."""
    module = captured["module"]
    return captured["name"] if module in ("builtins", "__main__") else f"{module}.{captured['name']}"


def frames_for_page(captured: Captured, root: str, logged: float) -> list[dict[str, Any]]:
    """Return the chain's exceptions with their frames for the page: place, whether it is the project's own, source.

    The exceptions are in the order of a traceback, first raised first, without those inside a group. The source lines
    are read now. See :mod:`.folding` for frames that repeat.

    :param root: the project's folder with a separator at its end
    :param logged: as for :func:`render`
    """
    chain: list[dict[str, Any]] = []
    each: Captured | None = captured
    while each:
        error = {
            "class": class_name(each),
            "text": "\n".join([each["text"], *each.get("notes", ())]),
            "frames": fold_cycles([_page_frame(frame, root, logged) for frame in each["frames"]]),
        }
        chain.insert(0, error)
        each = each.get("cause") or each.get("context")
    drop_sources(chain)
    return chain


def _page_frame(frame: list[Any], root: str, logged: float) -> dict[str, Any]:
    file, line, function = frame[:3]
    # A frame is the project's own if its file is below the root, and in no installed package or virtual environment.
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
    return [clean_text(source.rstrip("\n"), SOURCE_LINE_LIMIT, redact_code) for source in lines]


def _version(file: str, logged: float) -> float | None:
    """Return when the source was last changed (Unix time), None if that was after ``logged``."""
    try:
        changed = os.stat(file).st_mtime
    except OSError:
        # The source is in no file. linecache may learn of it later, so the cached frame must not outlive this record.
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
    """A frame that keeps its formatted text: the standard library parses the line each time to place its carets."""

    text: str | None = None


class _Stack(traceback.StackSummary):
    def format_frame_summary(self, frame_summary: traceback.FrameSummary, **options: Any) -> str:
        assert isinstance(frame_summary, _Frame)
        if frame_summary.text is None:
            try:
                text = super().format_frame_summary(frame_summary, **options)
            except Exception:
                # The interpreter cannot place its carets in some lines, such as one with half a surrogate pair.
                line = clean_text(frame_summary.line or "")
                plain = traceback.FrameSummary(
                    frame_summary.filename, frame_summary.lineno, frame_summary.name, line=line
                )
                text = super().format_frame_summary(plain, **options)
            # The source lines are new in this text; the logging call has cleaned the rest of the traceback.
            frame_summary.text = clean_text(text, hide=redact_code)
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
