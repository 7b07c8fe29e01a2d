"""What the log and the trail ask the application: who is acting, who may look. And what it tells them: who is to be
forgotten."""

import json
import re
from collections.abc import Callable, Iterable

from flask import Flask, Response, abort, current_app, request
from flask.typing import ResponseReturnValue

#: Returns the acting user's id and whether that user is an admin; (None, None) for nobody. It is called in the
#: middle of log calls and flushes, so it must answer from memory and never ask a database.
Actor = Callable[[], tuple[int | None, bool | None]]

#: Returns None to let the visitor in, or the response to send instead; it may also abort.
Guard = Callable[[], ResponseReturnValue | None]

#: Makes what is kept about a person anonymous; may be called again. Takes the account's number and what the person is
#: called (name, address); returns what was done, as a sentence, and raises :class:`CannotForget`.
Forget = Callable[[int, list[str]], str]

#: What stands in the place of a name.
FORGOTTEN = "[forgotten]"


class CannotForget(Exception):
    """Something keeps its data about a person; the text is one sentence for whoever asked."""


def on_forget(app: Flask, forget: Forget) -> None:
    """Let the application call this when a person is to be forgotten."""
    app.extensions.setdefault("forget", []).append(forget)


def forget_person(user_id: int, names: list[str]) -> list[str]:
    """Make anonymous what is kept about a person wherever :func:`on_forget` was called; returns their sentences.

    Raises :class:`CannotForget`.
    """
    return [forget(user_id, names) for forget in current_app.extensions.get("forget", [])]


def any_of(names: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds the names as whole words, also within JSON."""
    spellings = {spelling for name in names for spelling in (name, *in_json(name))}
    words = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True)))
    # In JSON a word may follow a line's end or a quotation mark that is written with letters: \n, \u201c.
    begins = r"(?:(?<!\w)|(?<=\\[bfnrt])|(?<=\\u[0-9a-f]{4}))"
    return re.compile(rf"{begins}(?:{words})(?!\w)", re.IGNORECASE)


def in_json(name: str) -> tuple[str, str]:
    """Return the two ways to write the name within a string of JSON."""
    return json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]


def nobody() -> tuple[None, None]:
    """The actor of an application that does not say who is acting."""
    return None, None


def keep_out_of_caches(response: Response) -> Response:
    """What a guard protects may stay in no cache; style sheets and scripts may."""
    if not (request.endpoint or "").endswith(".static"):
        response.headers["Cache-Control"] = "no-store"
    return response


def forbid() -> ResponseReturnValue | None:
    """The guard of an application that does not say who may look: it lets nobody in."""
    abort(403)
