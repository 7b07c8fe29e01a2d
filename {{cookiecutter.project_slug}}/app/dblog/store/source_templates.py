"""The template of a message that was formatted before it was logged, read from the source of its logging call.

``logger.error(f"Order {number} failed")`` gives the record "Order 17 failed"; the source line that the record names
shows what is constant. The source may have changed since: a template is used only if the message matches it.
"""

import os
import stat
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter

from .. import grouping
from .logging_calls import Call, Hole, Pattern, read_calls

#: Longer files are not read: one of this length takes a tenth of a second to parse.
MAX_BYTES = 262_144
MAX_FILES = 128
#: How often to look whether a file has changed.
LOOK_SECONDS = 1.0
MAX_LINES = 4_096


class _File:
    """The calls of a source file as it was when it was last read."""

    def __init__(self) -> None:
        self.version: tuple[int, int] | None = None
        self.looked = float("-inf")
        self.calls: Sequence[Call] = ()
        #: What the calls on a line can say, the pattern with the most constant text first.
        self.on_line: dict[int, Sequence[Pattern]] = {}
        #: What the logging calls in a function can say, in the same order.
        self.in_function: dict[str, Sequence[Pattern]] = {}


def find_template(file: str, line: int, function: str, message: str) -> tuple[str, str] | None:
    """Return what the source says is constant in the message, with ``*`` for each value, and the same for reading.

    None if the source cannot be read, or if no call on this line or in this function makes this message.

    :param file: the path of the source
    :param line: the line of the logging call, or of its caller if it was given a ``stacklevel``
    :param function: the name of the function that the line is in
    """
    source = _look(file)
    for pattern in _on_line(source, line):
        if (values := _match(pattern, message)) is not None:
            return _spell(pattern, values, len(message))
    for pattern in _in_function(source, function):
        if (values := _match(pattern, message)) is not None:
            return _spell(pattern, values, len(message))
    return None


def _on_line(source: _File, line: int) -> Sequence[Pattern]:
    if line not in source.on_line:
        if len(source.on_line) >= MAX_LINES:
            source.on_line.clear()
        source.on_line[line] = _sorted(call for call in source.calls if call.first_line <= line <= call.last_line)
    return source.on_line[line]


def _in_function(source: _File, function: str) -> Sequence[Pattern]:
    if function not in source.in_function:
        if len(source.in_function) >= MAX_LINES:
            source.in_function.clear()
        of_function = (call for call in source.calls if call.is_logging and call.function == function)
        source.in_function[function] = _sorted(of_function)
    return source.in_function[function]


def _sorted(calls: Iterable[Call]) -> Sequence[Pattern]:
    """Return the calls' patterns, those of logging calls first, and among equals the most constant text first."""
    ranked = [
        (call.is_logging, sum(len(part) for part in pattern if isinstance(part, str)), pattern)
        for call in calls
        for pattern in call.patterns
    ]
    return [pattern for _, _, pattern in sorted(ranked, key=itemgetter(0, 1), reverse=True)]


def _match(pattern: Pattern, message: str) -> list[str] | None:
    """Return what the message has in the pattern's holes, None if it does not match. Each constant is sought once."""
    place, values, pending = 0, [], False
    last = len(pattern) - 1
    for number, part in enumerate(pattern):
        if isinstance(part, Hole):
            pending = True
        elif not pending:
            if not message.startswith(part, place):
                return None
            place += len(part)
        else:
            # The last constant must be at the message's end: a value before it may contain the same text.
            at = len(message) - len(part) if number == last else message.find(part, place)
            if at < place or not message.startswith(part, at):
                return None
            values.append(message[place:at])
            place, pending = at + len(part), False
    if pending:
        return [*values, message[place:]]
    return values if place == len(message) else None


def _spell(pattern: Pattern, values: Sequence[str], length: int) -> tuple[str, str]:
    """Return the template for the fingerprint and for reading.

    If a parameter fills most of the message, its value says what the message is about: it is kept, normalised.

    :param length: the length of the message
    """
    said = [
        grouping.normalise(value) if part.is_parameter and 2 * len(value) > length else None
        for part, value in zip((part for part in pattern if isinstance(part, Hole)), values, strict=True)
    ]
    if not any(said):
        return _spelled(pattern)
    texts = iter(said)
    key = "".join(part if isinstance(part, str) else next(texts) or grouping.HOLE for part in pattern)
    return key, key


@lru_cache(maxsize=1_024)
def _spelled(pattern: Pattern) -> tuple[str, str]:
    key = "".join(part if isinstance(part, str) else grouping.HOLE for part in pattern)
    return key, "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in pattern)


@lru_cache(maxsize=MAX_FILES)
def _file(path: str) -> _File:
    return _File()


def _look(path: str) -> _File:
    """Return the file's calls; the file is parsed again only if it has changed."""
    source = _file(path)
    now = time.monotonic()
    if now - source.looked >= LOOK_SECONDS:
        source.looked = now
        version = _version(path)
        if version != source.version:
            source.version = version
            source.calls = _parse(path) if version else ()
            source.on_line, source.in_function = {}, {}
    return source


def _version(path: str) -> tuple[int, int] | None:
    """Return time and size of the file; None unless it is a small Python file, since a record may name any path."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    readable = path.endswith(".py") and stat.S_ISREG(state.st_mode) and state.st_size <= MAX_BYTES
    return (state.st_mtime_ns, state.st_size) if readable else None


def _parse(path: str) -> Sequence[Call]:
    try:
        with open(path, "rb") as file:
            return read_calls(file.read(MAX_BYTES))
    except OSError:
        return ()
