"""Any value as text or JSON that every database stores, with secrets hidden and the size bounded.

Markers show where something was cut, hidden or failed; they follow the sanitizer of solid_errors.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import zip_longest
from pathlib import PurePath
from types import FunctionType
from typing import Any
from uuid import UUID

from sqlalchemy import Row, inspect
from werkzeug.datastructures import Headers
from werkzeug.local import LocalProxy

from ...interrupts import reraise_interrupt
from ...redaction import REDACTED, is_secret, redact
from ...terminal import without_colors

TRUNCATED = "[truncated]"
RAISED = "[raised {}]"
DEPTH = "[too deep]"
RECURSION = "[recursion]"

# Lengths in characters.
TEXT_LIMIT = 65_536
VALUE_LIMIT = 8_192
NAME_LIMIT = 200
#: How many characters past a limit are searched: a secret that the limit cuts in two must be recognised.
SECRET_OVERLAP = 1_000
MAX_DEPTH = 8
MAX_ITEMS = 500

SCALARS = frozenset({str, int, float, bool, type(None)})
_MAPPINGS = (Mapping, Headers)
_CONTAINERS = (*_MAPPINGS, list, tuple, set, frozenset, Row)
_PRINTED = (Enum, datetime, date, time, Decimal, UUID, PurePath)


def clean_text(value: str, limit: int = TEXT_LIMIT, hide: Callable[[str], str] = redact) -> str:
    """Return at most ``limit`` characters of the text, storable as UTF-8 without NUL; a marker shows where it was cut.

    :param hide: hides the secrets in it, see :mod:`app.redaction`
    """
    cut = len(value) > limit
    if cut:
        value = value[: limit + SECRET_OVERLAP]
    if "\0" in value:
        value = value.replace("\0", "\\x00")
    if not value.isascii():
        value = value.encode("utf-8", "backslashreplace").decode()
    value = hide(value)
    if cut or len(value) > limit:
        value = value[: limit - len(TRUNCATED)] + TRUNCATED
    return value


def clean_message(value: str, limit: int = TEXT_LIMIT) -> str:
    """Return a logged message as :func:`clean_text` does, without the colours that structlog and werkzeug give it."""
    return clean_text(without_colors(value) if "\x1b" in value[:limit] else value, limit)


# The names are cached: a program has few of them, and logs with the same ones again and again.
@lru_cache(maxsize=4_096)
def clean_name(value: str, limit: int = NAME_LIMIT) -> str:
    """Return a name from the code as :func:`clean_text` does, but without a search for secrets ("tokens:42 make")."""
    return clean_text(value, limit, str)


def safe_str(value: object, limit: int = VALUE_LIMIT, failed: str = RAISED) -> str:
    """Return ``str(value)`` as storable text, or ``failed`` with the exception's name if ``__str__`` raises."""
    try:
        return clean_text(str(value), limit)
    except BaseException as error:
        reraise_interrupt(error)
        return failed.format(type(error).__name__)


def orm_placeholder(value: object) -> str | None:
    """Return a name for an object whose ``__str__`` could run a query or a flush, None for any other object.

    Such objects are the ORM's, and ``current_user``.
    """
    if type(value) is LocalProxy:
        # A proxy of a function may load its object from a database; a proxy of a context variable has it in memory.
        return "<LocalProxy>" if type(_proxied(value)) is FunctionType else None
    if not hasattr(type(value), "__mapper__"):
        return None
    state = inspect(value, raiseerr=False)
    identity = state.identity if state is not None else None
    return f"<{type(value).__name__} {', '.join(map(repr, identity)) if identity else 'new'}>"


def _proxied(proxy: "LocalProxy[Any]") -> object:
    """Return what the proxy was made from. Its public methods would call that function, which must not happen here."""
    return object.__getattribute__(proxy, "_LocalProxy__wrapped")


def safe_argument(value: object, secret: re.Pattern[str]) -> object:
    """Return a logging argument that is safe to format: ``value`` itself if it is safe, else a substitute.

    Containers are searched, and copied if something in them must be hidden. Other objects are not looked into.
    """
    if type(value) in SCALARS:
        return value
    if (name := orm_placeholder(value)) is not None:
        return name
    if not isinstance(value, _CONTAINERS) and not _has_secret_field(value, secret):
        return value
    copy = _Copy(secret)
    copied = copy.of(value)
    return copied if copy.changed else value


def to_json(value: object, secret: re.Pattern[str]) -> object:
    """Return a copy of ``value`` as JSON data, with secret keys redacted and depth, items and lengths bounded."""
    return _Copy(secret).of(value)


def _has_secret_field(value: object, secret: re.Pattern[str]) -> bool:
    """Return whether this is a dataclass's instance with a field that must not be shown."""
    declared = getattr(type(value), "__dataclass_fields__", None)
    return type(declared) is dict and any(is_secret(name, secret) for name in declared)


class _Copy:
    """One copy in progress: how many items it may still take, and whether it differs from the original."""

    def __init__(self, secret: re.Pattern[str]) -> None:
        self.secret = secret
        self.items_left = MAX_ITEMS
        self.changed = False

    def of(self, value: object, within: tuple[int, ...] = ()) -> object:
        """Return the copy of a value; ``within`` has the ``id`` of each container around it, outermost first."""
        try:
            return self._of(value, within)
        except BaseException as error:
            reraise_interrupt(error)
            return self.mark(RAISED.format(type(error).__name__))

    def mark(self, instead: str) -> str:
        self.changed = True
        return instead

    def _of(self, value: Any, within: tuple[int, ...]) -> object:
        if value is None or type(value) is bool:
            return value
        if type(value) not in SCALARS and (name := orm_placeholder(value)) is not None:
            return self.mark(name)
        if isinstance(value, _PRINTED):
            return safe_str(value)
        if isinstance(value, str):
            return clean_text(value, VALUE_LIMIT)
        if isinstance(value, int) and -(2**53) <= value <= 2**53:
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        if isinstance(value, bytes | bytearray):
            return clean_text(
                bytes(value[: VALUE_LIMIT + SECRET_OVERLAP]).decode("utf-8", "backslashreplace"), VALUE_LIMIT
            )
        has_secret_field = _has_secret_field(value, self.secret)
        if not isinstance(value, _CONTAINERS) and not has_secret_field:
            return clean_text(repr(value), VALUE_LIMIT)
        if id(value) in within:
            return self.mark(RECURSION)
        if len(within) == MAX_DEPTH:
            return self.mark(DEPTH)
        within = (*within, id(value))
        if has_secret_field:
            return self.mapping({each.name: getattr(value, each.name) for each in fields(value) if each.repr}, within)
        return self.mapping(value, within) if isinstance(value, _MAPPINGS) else self.sequence(value, within)

    def mapping(self, value: Mapping[Any, Any] | Headers, within: tuple[int, ...]) -> dict[str, object]:
        copy: dict[str, object] = {}
        for key, item in value.items():
            if self.items_left <= 0:
                copy[self.mark(TRUNCATED)] = f"{len(value)} items"
                break
            self.items_left -= 1
            name = clean_text(str(self.of(key, within)), NAME_LIMIT)
            copy[name] = self.mark(REDACTED) if is_secret(name, self.secret) else self.of(item, within)
        return copy

    def sequence(self, value: Iterable[object], within: tuple[int, ...]) -> list[object]:
        if isinstance(value, tuple) and len(value) == 2 and type(value[0]) is str and is_secret(value[0], self.secret):
            # This is one header of a list, such as ("Authorization", "Bearer …").
            return [self.of(value[0]), self.mark(REDACTED)]
        copy: list[object] = []
        # A named tuple and a query's row have names for their items.
        names = getattr(value, "_fields", ())
        for name, item in zip_longest(names, value):
            if self.items_left <= 0:
                copy.append(self.mark(TRUNCATED))
                break
            self.items_left -= 1
            is_hidden = type(name) is str and is_secret(name, self.secret)
            copy.append(self.mark(REDACTED) if is_hidden else self.of(item, within))
        return copy
