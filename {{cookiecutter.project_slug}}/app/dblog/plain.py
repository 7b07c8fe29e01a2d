"""Any value to text and JSON that every database stores, with secrets hidden and size bounded.

The markers follow solid_errors' sanitizer: what was cut, hidden or failed stays visible as such.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import FunctionType
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from werkzeug.datastructures import Headers
from werkzeug.local import LocalProxy

REDACTED = "[redacted]"
TRUNCATED = "[truncated]"
RAISED = "[raised {}]"
DEPTH = "[too deep]"
RECURSION = "[recursion]"

TEXT_LIMIT = 65_536
VALUE_LIMIT = 8_192
NAME_LIMIT = 200
SLACK = 1_000
MAX_DEPTH = 8
MAX_ITEMS = 500

ATOMS = frozenset({str, int, float, bool, type(None)})
_MAPPINGS = (Mapping, Headers)
_CONTAINERS = (*_MAPPINGS, list, tuple, set, frozenset, Row)
_PRINTED = (Enum, datetime, date, time, Decimal, UUID, PurePath)
# Visitors choose what is searched, so what may repeat is bounded: else the time grows with the square of the length.
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/]+@")
_URL_SECRET = re.compile(
    r"([?&][^\s=&?]{0,64}(?:passw|pwd|secret|token|key|auth|signature)[^\s=&?]{0,64}=)[^\s&#'\"]+", re.IGNORECASE
)
_PASSWORD_HASH = re.compile(r"(?:(?:scrypt|pbkdf2)[\w:-]{0,64}|\$2[abxy]|\$argon2\w{0,8}|\$[156])\$[^\s'\",)]+")
# PostgreSQL quotes the whole row, password hash included, when a constraint refuses it.
_FAILING_ROW = re.compile(r"(Failing row contains )\(.*", re.DOTALL)
_SECRET_PARTS = (
    "passw|passphrase|pwd|secret|token|apikey|authorization|cookie|credential|privatekey|accesskey|csrf|sessionid"
)
_SECRET_WHOLE = ("auth", "pass", "session", "signature")


def secret_names(names: Iterable[str] = ()) -> re.Pattern[str]:
    """A pattern that finds the keys to redact: the built-in list and ``names``, case and ``-``/``_`` ignored."""
    whole = "|".join(re.escape(_fold(name)) for name in (*_SECRET_WHOLE, *names))
    return re.compile(f"{_SECRET_PARTS}|^(?:{whole})$")


def is_secret(key: str, secret: re.Pattern[str]) -> bool:
    return secret.search(_fold(key)) is not None


def _fold(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "").replace(" ", "")


def text(value: str, limit: int = TEXT_LIMIT) -> str:
    """``value`` in at most ``limit`` characters, a marker where it was cut; storable as UTF-8 without NUL.

    Secrets that can be told by their form are hidden.
    """
    cut = len(value) > limit
    if cut:
        # A secret across the limit is still recognised; the rest is not looked at, however long it is.
        value = value[: limit + SLACK]
    if "\0" in value:
        value = value.replace("\0", "\\x00")
    if not value.isascii():
        value = value.encode("utf-8", "backslashreplace").decode()
    if "://" in value:
        value = _URL_SECRET.sub(rf"\1{REDACTED}", _URL_PASSWORD.sub(rf"\1{REDACTED}@", value))
    if "$" in value:
        value = _PASSWORD_HASH.sub(REDACTED, value)
    if "Failing row" in value:
        value = _FAILING_ROW.sub(rf"\1({REDACTED})", value)
    if cut or len(value) > limit:
        value = value[: limit - len(TRUNCATED)] + TRUNCATED
    return value


def spoken(value: object, limit: int = VALUE_LIMIT, failed: str = RAISED) -> str:
    """``str(value)`` as storable text; what it raises becomes a marker."""
    try:
        return text(str(value), limit)
    except Exception as error:
        return failed.format(type(error).__name__)


def stand_in(value: object) -> str | None:
    """A name for what could run a query or a flush if it were asked for more: mapped objects, and ``current_user``."""
    if type(value) is LocalProxy:
        # Others stand for something of the request, in memory; a function may load what it answers.
        looks_up = type(object.__getattribute__(value, "_LocalProxy__wrapped")) is FunctionType
        return "<LocalProxy>" if looks_up else None
    if not hasattr(type(value), "__mapper__"):
        return None
    state = getattr(value, "__dict__", {}).get("_sa_instance_state")
    key = getattr(state, "key", None)
    identity = ", ".join(map(repr, key[1])) if key else "new"
    return f"<{type(value).__name__} {identity}>"


def shield(value: object, secret: re.Pattern[str]) -> object:
    """A logging argument that is safe to format: ``value`` itself wherever it is, or what stands for it.

    Containers are searched, and copied where something in them must not be seen; other objects are not.
    """
    if type(value) in ATOMS:
        return value
    if (name := stand_in(value)) is not None:
        return name
    if not isinstance(value, _CONTAINERS):
        return value
    copy = _Copy(secret)
    copied = copy.of(value)
    return copied if copy.changed else value


def plain(value: object, secret: re.Pattern[str]) -> object:
    """``value`` as JSON data: copied now, secret keys redacted, depth, number of items and length of texts bounded."""
    return _Copy(secret).of(value)


class _Copy:
    """One copy in progress: how many items may still come, and whether something is not to be seen as it is."""

    def __init__(self, secret: re.Pattern[str]) -> None:
        self.secret = secret
        self.room = MAX_ITEMS
        self.changed = False

    def of(self, value: object, within: tuple[int, ...] = ()) -> object:
        """The copy of a value inside containers, outermost first, that are known by their ``id``."""
        try:
            return self._of(value, within)
        except Exception as error:
            return self.mark(RAISED.format(type(error).__name__))

    def mark(self, instead: str) -> str:
        self.changed = True
        return instead

    def _of(self, value: object, within: tuple[int, ...]) -> object:
        if value is None or type(value) is bool:
            return value
        if type(value) not in ATOMS and (name := stand_in(value)) is not None:
            return self.mark(name)
        if isinstance(value, _PRINTED):
            return spoken(value)
        if isinstance(value, str):
            return text(value, VALUE_LIMIT)
        if isinstance(value, int) and -(2**53) <= value <= 2**53:
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        if isinstance(value, bytes | bytearray):
            return text(bytes(value[: VALUE_LIMIT + SLACK]).decode("utf-8", "backslashreplace"), VALUE_LIMIT)
        if not isinstance(value, _CONTAINERS):
            return text(repr(value), VALUE_LIMIT)
        if id(value) in within:
            return self.mark(RECURSION)
        if len(within) == MAX_DEPTH:
            return self.mark(DEPTH)
        within = (*within, id(value))
        return self.mapping(value, within) if isinstance(value, _MAPPINGS) else self.sequence(value, within)

    def mapping(self, value: Mapping[Any, Any] | Headers, within: tuple[int, ...]) -> dict[str, object]:
        copy: dict[str, object] = {}
        for key, item in value.items():
            if self.room <= 0:
                copy[self.mark(TRUNCATED)] = f"{len(value)} items"
                break
            self.room -= 1
            name = text(str(self.of(key, within)), NAME_LIMIT)
            copy[name] = self.mark(REDACTED) if is_secret(name, self.secret) else self.of(item, within)
        return copy

    def sequence(self, value: Iterable[object], within: tuple[int, ...]) -> list[object]:
        if isinstance(value, tuple) and len(value) == 2 and type(value[0]) is str and is_secret(value[0], self.secret):
            # One of a list of headers, like ("Authorization", "Bearer …").
            return [self.of(value[0]), self.mark(REDACTED)]
        copy: list[object] = []
        for item in value:
            if self.room <= 0:
                copy.append(self.mark(TRUNCATED))
                break
            self.room -= 1
            copy.append(self.of(item, within))
        return copy
