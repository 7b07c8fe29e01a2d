"""Which rows to show, from texts as people type them in a URL or a command line."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from ...listing import BadFilter, check_text, parse_id, parse_time

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
ALL = "all"


@dataclass(frozen=True)
class Filters:
    """``level`` is the lowest to show; ``q`` is searched in the message and the exception's class.

    ``since`` is the first moment that is shown, ``until`` the first that is not any more.
    """

    level: int | None = None
    logger: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None
    request: str | None = None
    user: int | None = None
    problem: int | None = None

    @classmethod
    def parse(cls, terms: Mapping[str, str]) -> "Filters":
        """Filters from texts; empty ones do not count. Raises :class:`BadFilter`."""
        given = {field.name: terms[field.name].strip() for field in fields(cls) if terms.get(field.name, "").strip()}
        for name, term in given.items():
            check_text(name, term)
        since = parse_time("since", given["since"]) if given.get("since", ALL) != ALL else None
        until = parse_time("until", given["until"]) if "until" in given else None
        if since and until and since > until:
            raise BadFilter("since: must not be later than until.")
        return cls(
            level=parse_level(given["level"]) if "level" in given else None,
            logger=given.get("logger"),
            since=since,
            until=until,
            q=given.get("q"),
            request=given.get("request"),
            user=parse_id("user", given["user"]) if "user" in given else None,
            problem=parse_id("problem", given["problem"]) if "problem" in given else None,
        )


def parse_level(term: str) -> int:
    """A level's number from its name or number; raises :class:`BadFilter`."""
    if term.upper() in LEVELS:
        return LEVELS[term.upper()]
    if term.isascii() and term.isdigit() and len(term) <= 4:
        return int(term)
    raise BadFilter(f"level: one of {', '.join(LEVELS)}, or a number; not “{term}”.")
