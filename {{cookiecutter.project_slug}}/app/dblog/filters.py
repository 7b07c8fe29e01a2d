"""Which rows to show, from texts as people type them in a URL or a command line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from app.database import utcnow

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
MAX_TERM = 200
ALL = "all"

_AGE = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CURSOR = re.compile(r"(\d{1,17})-(\d{1,18})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadFilter(ValueError):
    """A filter that cannot be understood; the message says which, and what was expected."""


@dataclass(frozen=True)
class Filters:
    """``level`` is the lowest to show; ``q`` is searched in the message and the exception's class."""

    level: int | None = None
    logger: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None
    request: str | None = None
    user: int | None = None
    group: str | None = None

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
            group=given.get("group"),
        )


@dataclass(frozen=True)
class Cursor:
    """A place between two rows: just before or after the one of this time and id."""

    moment: datetime
    id: int

    def __str__(self) -> str:
        return f"{(self.moment - _EPOCH) // timedelta(microseconds=1)}-{self.id}"

    @classmethod
    def parse(cls, term: str) -> "Cursor":
        """The cursor that ``str`` wrote; raises :class:`BadFilter` for anything else."""
        parts = _CURSOR.fullmatch(term)
        try:
            if parts and parts[0].isascii():
                return cls(_EPOCH + timedelta(microseconds=int(parts[1])), int(parts[2]))
        except OverflowError:
            pass
        raise BadFilter("The link to this page is damaged: start again from the newest rows.")


def check_text(name: str, term: str) -> None:
    """Refuse what no database compares; raises :class:`BadFilter`."""
    if len(term) > MAX_TERM:
        raise BadFilter(f"{name}: at most {MAX_TERM} characters, not {len(term):,}.")
    if "\0" in term or term.encode("utf-8", "replace").decode() != term:
        raise BadFilter(f"{name}: contains characters that are no text.")


def parse_level(term: str) -> int:
    """A level's number from its name or number; raises :class:`BadFilter`."""
    if term.upper() in LEVELS:
        return LEVELS[term.upper()]
    if term.isascii() and term.isdigit() and len(term) <= 4:
        return int(term)
    raise BadFilter(f"level: one of {', '.join(LEVELS)}, or a number; not “{term}”.")


def parse_time(name: str, term: str) -> datetime:
    """A moment from an age (90s, 30m, 2h, 7d, 1w) or ISO 8601, UTC if it names no zone; raises :class:`BadFilter`."""
    check_text(name, term)
    try:
        if age := _AGE.fullmatch(term):
            return utcnow() - timedelta(**{_UNITS[age[2]]: int(age[1])})
        moment = datetime.fromisoformat(term)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadFilter(
            f"{name}: an age such as 30m, 2h or 7d, or a date such as 2026-01-31T12:00; not “{term}”."
        ) from None


def parse_id(name: str, term: str) -> int:
    """A row's or user's number; raises :class:`BadFilter`."""
    check_text(name, term)
    if term.isascii() and term.isdigit() and len(term) <= 18:
        return int(term)
    raise BadFilter(f"{name}: a whole number; not “{term}”.")
