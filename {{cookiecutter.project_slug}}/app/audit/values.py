"""Any column's value as JSON that people can read."""

import enum
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ..redaction import REDACTED, is_secret, secret_names

_SECRET = secret_names()
SIMPLE = {str, int, bool, type(None)}


def to_json(value: Any) -> Any:
    """Return a value as JSON data: text, numbers, lists and objects stay as they are.

    Moments become ISO 8601 in UTC, enums their names, bytes hexadecimal; any other value becomes its ``str``.
    A value that an object has under the name of a secret is hidden.
    """
    if type(value) in SIMPLE:
        return value
    match value:
        case enum.Enum():
            return value.name
        case float() if math.isfinite(value):
            return value
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
        case bytes() | bytearray() | memoryview():
            return value.hex()
        case Mapping():
            return {name: REDACTED if is_secret(name, _SECRET) else to_json(each) for name, each in _by_name(value)}
        case list() | tuple() | set() | frozenset():
            return [to_json(each) for each in value]
        case _:
            return str(value)  # dates, times, decimals and UUIDs come here, too


def _by_name(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    return ((str(to_json(name)), each) for name, each in value.items())
