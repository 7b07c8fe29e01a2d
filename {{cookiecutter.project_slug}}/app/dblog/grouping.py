"""What makes records one problem, and how the page explains it."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

FINGERPRINT_VERSION = "1"

Frame = Mapping[str, Any]


# The cache is small: a message without arguments may be long.
@lru_cache(maxsize=128)
def fingerprint(*parts: str) -> str:
    """Return the key of a problem, at most 40 characters, from what its records have in common.

    Of a message that is its logger and its text before values went in; of an exception see :func:`of_exception`. The
    parts have no line numbers and no rendered values: each deploy would split the problem in two.
    """
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
    return f"{FINGERPRINT_VERSION}-{digest}"


def of_exception(name: str, frames: Sequence[Frame], root: str) -> str:
    """Return the fingerprint of an exception: its class, and the file and function of the deciding frame.

    :param root: the project's folder with a separator at its end
    """
    frame = deciding_frame(frames) or {"file": "", "function": ""}
    return fingerprint(name, frame["file"].removeprefix(root), frame["function"])


def deciding_frame(frames: Sequence[Frame]) -> Frame | None:
    """Return the innermost frame of the project, of any file where the project has none; None without frames."""
    own = [frame for frame in frames if frame["project"]] or frames
    return own[-1] if own else None
