"""The filters that choose rows, parsed from texts as people type them in a URL or on a command line."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from flask import current_app

from ...actor import parse_user
from ...listing import BadFilter, Parser, parse_id, parse_terms, parse_text, parse_time

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
ALL = "all"
#: The value of ``muted`` that asks for rows of muted problems, too.
SHOW = "show"


@dataclass(frozen=True)
class Filters:
    """The filters of a list of rows; None is no filter.

    ``level`` is the lowest level to show. ``q`` is searched in the message and in the exception's class and text.
    ``path`` matches the paths below it, too. ``since`` is the first moment that is shown, ``until`` the first one that
    is not shown any more. ``muted`` is :data:`SHOW` to show rows of muted problems, too.
    """

    level: int | None = None
    logger: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None
    request: str | None = None
    user: int | None = None
    problem: int | None = None
    release: str | None = None
    ip: str | None = None
    path: str | None = None
    muted: str | None = None

    @classmethod
    def parse(cls, terms: Mapping[str, str | None]) -> "Filters":
        """Return the filters from texts as people type them. Raises :class:`BadFilter`."""
        filters = cls(**parse_terms(terms, PARSERS))
        if filters.since and filters.until and filters.since > filters.until:
            raise BadFilter("since: must not be later than until.")
        # The rows around a row show all that happened at that time, muted or not.
        return replace(filters, muted=SHOW) if terms.get("around") else filters

    @property
    def hides_muted(self) -> bool:
        """Whether rows of muted problems are left out; they are shown if ``muted``, a request or a problem is named."""
        return not (self.muted or self.request or self.problem is not None)


def parse_level(name: str, term: str) -> int:
    """Return a level's number from its name or number; raises :class:`BadFilter`."""
    if term.upper() in LEVELS:
        return LEVELS[term.upper()]
    if term.isascii() and term.isdigit() and len(term) <= 4:
        return int(term)
    raise BadFilter(f"{name}: one of {', '.join(LEVELS)}, or a number; not “{term}”.")


def parse_since(name: str, term: str) -> datetime | None:
    return None if term == ALL else parse_time(name, term)


def parse_who(name: str, term: str) -> int:
    return parse_user(current_app.extensions["dblog"].names, name, term)


def parse_muted(name: str, term: str) -> str:
    if term != SHOW:
        raise BadFilter(f"{name}: {SHOW}, or nothing; not “{term}”.")
    return term


PARSERS: dict[str, Parser] = {
    **{"level": parse_level, "since": parse_since, "until": parse_time},
    **dict.fromkeys(("logger", "q", "request", "release", "ip", "path"), parse_text),
    **{"user": parse_who, "problem": parse_id, "muted": parse_muted},
}
