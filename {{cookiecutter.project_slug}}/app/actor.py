"""What the log and the trail ask the application: who acts, who may read, what people are called, whom to forget."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

from flask import Flask, Response, abort, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, func, or_

from .listing import BadFilter, parse_id, parse_text

T = TypeVar("T")

#: Returns the acting user's id and whether that user is an admin; (None, None) for nobody. It is called in the
#: middle of log calls and flushes, so it must answer from memory and never ask a database.
Actor = Callable[[], tuple[int | None, bool | None]]

#: Returns None to let the visitor in, or the response to send instead; it may also abort.
Guard = Callable[[], ResponseReturnValue | None]


class Names(NamedTuple):
    """What people are called, for pages and searches. Neither function raises, whatever the database does."""

    #: Takes the users' numbers and returns the names of those it knows, by number.
    of: Callable[[Collection[int]], Mapping[int, str]]
    #: Takes a user's name and returns the number, None for a name that nobody has.
    find: Callable[[str], int | None]


#: The names in an application that does not say what people are called: pages show users' numbers.
NO_NAMES = Names(of=lambda _user_ids: {}, find=lambda _name: None)


def parse_user(names: Names, name: str, term: str) -> int:
    """Return the number of the user that a filter names, by number or by name; raises :class:`BadFilter`."""
    if term.isascii() and term.isdigit():
        return parse_id(name, term)
    number = names.find(parse_text(name, term))
    if number is None:
        raise BadFilter(f"{name}: a user's number, or the name of an account; there is none called “{term}”.")
    return number


#: Makes all that a feature keeps about a person anonymous. Takes the account's number and what the person is called
#: (name, address); returns in a sentence what was done, and raises :class:`CannotForget`. It can be called again.
Forget = Callable[[int, list[str]], str]

#: The text that replaces a name.
FORGOTTEN = "[forgotten]"


class Link(NamedTuple):
    """A link on a page."""

    text: str
    address: str


class Related(NamedTuple):
    """A feature's links for the pages of other features. Each function returns None if the feature knows nothing."""

    #: Takes a request's id and returns a link to what the feature knows about that request.
    of_request: Callable[[str], Link | None]
    #: Takes a user's number and returns a link to what the feature knows about that user.
    of_user: Callable[[int], Link | None]


_left_out: ContextVar[re.Pattern[str] | None] = ContextVar("left_out", default=None)


class CannotForget(Exception):
    """Data about a person could not be made anonymous; the text is one sentence that says why."""


def on_forget(app: Flask, forget: Forget) -> None:
    """Let :func:`forget_person` call this function, too."""
    app.extensions.setdefault("forget", []).append(forget)


def forget_person(user_id: int, names: list[str]) -> list[str]:
    """Make all features that called :func:`on_forget` forget a person; returns the sentence of each.

    Raises :class:`CannotForget`, whose text also says what was done before.
    """
    done: list[str] = []
    for forget in current_app.extensions.get("forget", []):
        try:
            done.append(forget(user_id, names))
        except CannotForget as error:
            raise CannotForget(" ".join([*done, str(error)])) from error
    return done


@contextmanager
def names_left_out(names: Iterable[str]) -> Iterator[None]:
    """Let :func:`leave_names_out` take these names out of new data until the block ends."""
    before = _left_out.set(any_of(names))
    try:
        yield
    finally:
        _left_out.reset(before)


def leave_names_out(data: T) -> T:
    """Return JSON data without the names of the person who is being forgotten."""
    pattern = _left_out.get()
    return json.loads(pattern.sub(FORGOTTEN, json.dumps(data))) if pattern else data


def on_related(app: Flask, related: Related) -> None:
    """Let pages about a request or a user ask this feature for links."""
    app.extensions.setdefault("related", []).append(related)


def related_links(request_id: str | None) -> list[Link]:
    """Return links to what other features know about a request."""
    return [link for each in _related() if request_id and (link := each.of_request(request_id))]


def links_of_user(user_id: int | None) -> list[Link]:
    """Return links to what other features know about a user."""
    return [link for each in _related() if user_id is not None and (link := each.of_user(user_id))]


def _related() -> list[Related]:
    found: list[Related] = current_app.extensions.get("related", [])
    return found


def any_of(names: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds the names as whole words, also within JSON."""
    # JSON may write letters as numbers, for which IGNORECASE does nothing: each way to write the word is listed.
    cases = {case for name in names for case in (name, name.lower(), name.upper(), name.title())}
    spellings = {spelling for case in cases for spelling in (case, *in_json(case))}
    words = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True)))
    # In JSON a word may follow a character that is written with letters, such as a line's end or a quote: \n, \u201c.
    begins = r"(?:(?<!\w)|(?<=\\[bfnrt])|(?<=\\u[0-9a-f]{4}))"
    return re.compile(rf"{begins}(?:{words})(?!\w)", re.IGNORECASE)


def may_name(text: ColumnElement[str], names: Iterable[str]) -> ColumnElement[bool]:
    """Return a condition that holds wherever :func:`any_of` finds something, and perhaps elsewhere.

    SQLite's lower() knows only the letters A to Z, so the condition matches any character in place of another letter.
    """
    spellings = {spelling.lower() for name in names for spelling in (name, *in_json(name))}
    escaped = (re.sub(r"[/%_]", r"/\g<0>", spelling) for spelling in spellings)
    patterns = {re.sub(r"[^\0-\x7f]", "_", re.sub(r"\\u[0-9a-f]{4}", "_" * 6, each)) for each in escaped}
    return or_(*(func.lower(text).like(f"%{pattern}%", escape="/") for pattern in patterns))


def in_json(name: str) -> tuple[str, str]:
    """Return the two ways to write the name within a string of JSON."""
    return json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]


def nobody() -> tuple[None, None]:
    """The actor of an application that does not say who is acting."""
    return None, None


def keep_out_of_caches(response: Response) -> Response:
    """Keep guarded answers out of all caches, but let the browser's cache have style sheets and scripts."""
    if (request.endpoint or "").endswith(".static"):
        # A cache that several people share would not ask the guard.
        response.cache_control.private = True
    else:
        response.headers["Cache-Control"] = "no-store"
    return response


def forbid() -> ResponseReturnValue | None:
    """The guard of an application that does not say who may look: it lets nobody in."""
    abort(403)
