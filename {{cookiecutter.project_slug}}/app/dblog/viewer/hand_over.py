"""A row or a problem as Markdown, to hand it over to a colleague or an issue: what happened, where, and a link.

The Markdown does not say to whom it happened (user, address, browser). Logged text is put into blocks and spans of code
whose fences are longer than any run of backticks in the text, so that the text cannot close them.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ...terminal import how_many, inert
from ..grouping import deciding_frame, short_path
from ..models import LogProblem
from .format import first_line, heading, source_of
from .queries import Entry

#: How many characters are kept of a title and of another text, and how many frames, the innermost, of an exception.
TITLE_LIMIT, TEXT_LIMIT, MAX_FRAMES = 240, 2_000, 20
_BACKTICKS = re.compile("`+")


def problem_as_markdown(problem: LogProblem, entry: Entry | None, address: str, root: str) -> str:
    """Return the problem as Markdown, with the frames of one of its rows.

    :param address: the absolute address of the page
    :param root: the project's folder with a separator at its end
    """
    seen = f"first seen {_utc(problem.first_seen)}, last seen {_utc(problem.last_seen)}"
    facts = [f"{how_many(problem.count, 'row')}, {how_many(problem.users, 'user')}; {seen}"]
    return _document(problem.title, address, facts, entry, root)


def row_as_markdown(entry: Entry, address: str, root: str) -> str:
    """Return the row as Markdown; parameters as of :func:`problem_as_markdown`."""
    return _document(heading(entry), address, [f"Logged {_utc(entry.created_at)}"], entry, root)


def _document(title: str, address: str, facts: list[str], entry: Entry | None, root: str) -> str:
    parts = [f"### {_code(first_line(title)[:TITLE_LIMIT] or '(empty)')}", f"<{address}>"]
    if entry:
        facts += _facts(entry, root)
    parts.append("\n".join(f"- {fact}" for fact in facts))
    if entry and (block := "\n".join(_block(entry, title, root))):
        parts.append(_fenced(block))
    return inert("\n\n".join(parts) + "\n")


def _facts(entry: Entry, root: str) -> Iterator[str]:
    if entry.method:
        yield f"Request {_code(f'{entry.method} {entry.path}')}, id {_code(entry.request_id or 'unknown')}"
    elif entry.request_id:
        yield f"In {_code(entry.request_id)}"
    if entry.release:
        yield f"Release {_code(entry.release)}"
    source = source_of(entry, root)
    yield f"Logger {_code(entry.logger)}" + (f", from {_code(source)}" if source else "")


def _block(entry: Entry, title: str, root: str) -> Iterator[str]:
    """Yield the lines of message, exceptions and project frames; the last exception's innermost frame comes first."""
    message = entry.message.strip()
    if message not in ("", title.strip()):
        yield _cut(message)
    for error in reversed(entry.frames or ()):
        said = f"{error['class']}: {error['text']}".rstrip(": ")
        if said not in (message, title.strip()):
            yield from ("", _cut(said))
        own = [frame for frame in error["frames"] if frame["project"]] or [deciding_frame(error["frames"])]
        for frame in [each for each in reversed(own) if each][:MAX_FRAMES]:
            yield from ("", f"{short_path(frame['file'], root)}:{frame['line']} in {frame['function']}")
            yield from _source(frame)


def _source(frame: dict[str, Any]) -> Iterator[str]:
    for number, line in enumerate(frame.get("source") or (), frame.get("first", 1)):
        yield f"{'>' if number == frame['line'] else ' '} {number:>5}  {line}".rstrip()


def _fenced(text: str) -> str:
    """Return a block of code, between fences that are longer than any run of backticks in it."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{text.strip(chr(10))}\n{fence}"


def _code(text: str) -> str:
    """Return the text on one line as a span of code that no backtick in the text can end."""
    line = " ".join(text.split())
    mark = "`" * (_longest_run(line) + 1)
    space = " " if line[:1] == "`" or line[-1:] == "`" else ""
    return f"{mark}{space}{line}{space}{mark}"


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]} …"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
