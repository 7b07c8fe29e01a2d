"""The template of a message that was formatted before it was logged, read from the source of its logging call.

``logger.error(f"Order {number} failed")`` gives the record "Order 17 failed"; the source line that the record names
shows what is constant. The source may have changed since: a template is used only if the message matches it.
"""

import os
import stat
import threading
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter

from .. import grouping
from .logging_calls import Call, Hole, Pattern, read_calls

#: Longer files are not read: one of this length takes a tenth of a second to parse.
MAX_BYTES = 262_144
#: How much memory the calls of all files may take, by a rough count. A thousand files of usual libraries take a third.
MAX_KEPT_BYTES = 16_777_216
#: What that count is made of, besides a byte for each character.
FILE_BYTES, CALL_BYTES, PART_BYTES, LINE_BYTES = 500, 264, 80, 200
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
        self._calls_bytes = 0

    def read(self, path: str) -> None:
        """Parse the file if it has changed."""
        version = _version(path)
        if version != self.version:
            self.version = version
            self.calls = _parse(path) if version else ()
            self.on_line, self.in_function = {}, {}
            parts = [part for call in self.calls for pattern in call.patterns for part in pattern]
            characters = sum(len(part if isinstance(part, str) else part.name) for part in parts)
            self._calls_bytes = CALL_BYTES * len(self.calls) + PART_BYTES * len(parts) + characters

    def kept_bytes(self) -> int:
        """Return about how much memory this takes."""
        return FILE_BYTES + self._calls_bytes + LINE_BYTES * (len(self.on_line) + len(self.in_function))


class _Files(threading.local):
    """The files that records named; if they take too much memory, those go that were not named for the longest time.

    Each writer's thread has its own, so that there is no lock that a fork could leave locked.
    """

    def __init__(self) -> None:
        #: The last named one is the last.
        self.by_path: dict[str, _File] = {}
        #: What each file took when it was last named, and all of them together.
        self.sizes: dict[str, int] = {}
        self.kept_bytes = 0

    def find(self, path: str) -> _File:
        """Return the file as it is now, or was a second ago."""
        source = self.by_path.pop(path, None) or _File()
        self.by_path[path] = source
        now = time.monotonic()
        if now - source.looked >= LOOK_SECONDS:
            source.looked = now
            source.read(path)
        size = source.kept_bytes()
        self.kept_bytes += size - self.sizes.get(path, 0)
        self.sizes[path] = size
        while self.kept_bytes > MAX_KEPT_BYTES and len(self.by_path) > 1:
            oldest = next(iter(self.by_path))
            del self.by_path[oldest]
            self.kept_bytes -= self.sizes.pop(oldest)
        return source


_files = _Files()


def find_template(file: str, line: int, function: str, message: str) -> tuple[str, str] | None:
    """Return what the source says is constant in the message, with ``*`` for each value, and the same for reading.

    None if the source cannot be read, or if no call on this line or in this function makes this message.

    :param file: the path of the source
    :param line: the line of the logging call, or of its caller if it was given a ``stacklevel``
    :param function: the name of the function that the line is in
    """
    source = _files.find(file)
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
