"""Lists that people filter and page through: times and ids as people type them, and pages by key."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from flask import redirect, request
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, and_, literal, or_

from .database import HOUR, hour_of, utcnow
from .negotiation import wants_json

MAX_TERM = 200

#: Takes a filter's name and text, returns its value, and raises BadFilter.
Parser = Callable[[str, str], Any]

_AGE = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# A cursor is written as microseconds since 1970 and an id. So many digits hold every time and every id of a row.
_CURSOR = re.compile(r"(-?\d{1,18})-(\d{1,18})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadFilter(ValueError):
    """A filter that cannot be understood; the message says which, and what was expected."""


@dataclass(frozen=True)
class Cursor:
    """A place in a list that is ordered by time and id: just before or after the row with this time and id."""

    moment: datetime
    id: int

    def __str__(self) -> str:
        return f"{(self.moment - _EPOCH) // timedelta(microseconds=1)}-{self.id}"

    @classmethod
    def of(cls, row: Any) -> "Cursor":
        """Return the cursor at a row, which has ``created_at`` and ``id``."""
        return cls(row.created_at, row.id)

    @classmethod
    def parse(cls, term: str) -> "Cursor":
        """Return the cursor that ``str`` wrote; raises :class:`BadFilter` for any other text."""
        with suppress(OverflowError):
            if parts := _CURSOR.fullmatch(term):
                return cls(_EPOCH + timedelta(microseconds=int(parts[1])), int(parts[2]))
        raise BadFilter("The link to this page is damaged: start again from the newest.")

    def passed(self, created_at: Any, id: Any, *, ascending: bool) -> ColumnElement[bool]:
        """Return the condition that a row comes after this place, in the order of time and id or against it."""
        # Every database can look up the first half of the condition in the index.
        moment = literal(self.moment, created_at.type)
        if ascending:
            return and_(created_at >= moment, or_(created_at > moment, id > self.id))
        return and_(created_at <= moment, or_(created_at < moment, id < self.id))


@dataclass(frozen=True)
class Page:
    """Rows, newest first, the cursors of the next newer and older page, and where a bounded search stopped, if any."""

    entries: Sequence[Any]
    newer: str | None = None
    older: str | None = None
    searched_to: datetime | None = None

    @classmethod
    def of(
        cls, found: Sequence[Any], size: int, cursor: Cursor | None, *, ascending: bool, end: Cursor | None = None
    ) -> "Page":
        """Return the page of the rows past a cursor.

        :param found: the rows in the order of the search; if there are more than ``size``, the list goes on
        :param end: where a bounded search stopped
        """
        # Towards the side that was searched, the next page begins at the last row, or where a bounded search stopped.
        last = Cursor.of(found[size - 1]) if len(found) > size else end
        onward, back = str(last) if last else None, None
        if cursor:
            # Towards the other side, the next page begins at the first row, or after an empty page at the cursor's row.
            first = Cursor.of(found[0]) if found else Cursor(cursor.moment, cursor.id + (1 if ascending else -1))
            back = str(first)
        entries, (newer, older) = found[:size], (onward, back) if ascending else (back, onward)
        return cls(entries[::-1] if ascending else entries, newer, older, end.moment if end else None)


def redirect_without_empty() -> ResponseReturnValue | None:
    """Return a redirect to the same address without the empty parameters that forms send; None if there are none.

    It runs before a request, since people send such addresses to each other. Programs are not redirected: for them an
    empty parameter counts as one that is missing.
    """
    given = list(request.args.items(multi=True))
    kept = [(name, term) for name, term in given if term.strip()]
    if request.method != "GET" or kept == given or wants_json():
        return None
    return redirect(address_with(kept))


def address_with(terms: Iterable[tuple[str, str]]) -> str:
    """Return the address of this page with other parameters."""
    # url_for() is of no use here: some names of parameters have a meaning to it.
    query = urlencode([*terms])
    return quote(request.script_root + request.path, safe="/:@") + (f"?{query}" if query else "")


def parse_terms(terms: Mapping[str, str | None], parsers: Mapping[str, Parser]) -> dict[str, Any]:
    """Return the values of the filters that are given, each parsed from its text; empty texts do not count.

    Raises :class:`BadFilter` for the first text that cannot be understood.
    """
    given = {name: term for name in parsers if (term := (terms.get(name) or "").strip())}
    return {name: parsers[name](name, parse_text(name, term)) for name, term in given.items()}


def parse_text(name: str, term: str) -> str:
    """Return the text itself; raises :class:`BadFilter` if it is too long or no database can compare it."""
    if len(term) > MAX_TERM:
        raise BadFilter(f"{name}: at most {MAX_TERM} characters, not {len(term):,}.")
    if not is_storable(term):
        raise BadFilter(f"{name}: contains characters that are no text.")
    return term


def is_storable(text: str) -> bool:
    """Whether every database can store the text and compare it: it has no NUL and no half of a surrogate pair."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text


def parse_time(name: str, term: str) -> datetime:
    """Return the moment of an age (90s, 30m, 2h, 7d, 1w) or of a time in ISO 8601, which is in UTC without a zone.

    Ages of an hour and more are cut to the hour: 2h at 12:40 is 10:00. Raises :class:`BadFilter`.
    """
    parse_text(name, term)
    try:
        if match := _AGE.fullmatch(term):
            age = timedelta(**{_UNITS[match[2]]: int(match[1])})
            return utcnow() - age if age < HOUR else hour_of(utcnow() - age)
        moment = datetime.fromisoformat(term)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadFilter(
            f"{name}: an age such as 30m, 2h or 7d, or a date such as 2026-01-31T12:00; not “{term}”."
        ) from None


def parse_id(name: str, term: str) -> int:
    """Return a row's or user's number; raises :class:`BadFilter`."""
    parse_text(name, term)
    if term.isascii() and term.isdigit() and len(term) <= 18:
        return int(term)
    raise BadFilter(f"{name}: a whole number; not “{term}”.")
