"""This recognises what people paste into the search box: an id, an address, a path, a name, a time, or just text."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from urllib.parse import urlsplit

from ...listing import MAX_TERM

#: The key under which the number of a row is returned; it is not a filter.
ROW = "row"
#: How much is shown before and after a time.
AROUND_TIME = timedelta(minutes=5)
MAX_ZONE_MINUTES = 18 * 60

# People can name the filter, as in user:17; "text:" searches a text that would be taken for something else.
_NAMED = re.compile(r"(request|user|logger|path|ip|release|problem|level|text):(\S+)", re.ASCII | re.IGNORECASE)
_QUOTED = re.compile(r'"(.+)"', re.DOTALL)
_ROW = re.compile(r"#(\d{1,18})", re.ASCII)
_PATH = re.compile(r"(?:[A-Z]{3,10}\s+)?(/\S*)")
_ID = re.compile(r"[A-Za-z0-9._+/=@:-]{1,128}", re.ASCII)
_OWN_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_RELEASE = re.compile(r"\S{1,64}")
_TIME = re.compile(
    r"""(?: (?P<day> today | yesterday | \d{4}-\d\d-\d\d ) (?: [ ]+ | T(?=\d) | \Z ) )?
    (?: (?P<hour>\d{1,2}) : (?P<minute>\d\d) (?: : (?P<second>\d\d) (?:[.,]\d{1,9})? )?
        (?P<zone> [ ]? (?: Z | UTC )? (?: (?P<sign>[+\u2212-]) (?P<hours>\d{1,2}) (?: :? (?P<minutes>\d\d) )? )? )
    )?""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True)
class Known:
    """The questions to the log and to the application by which a text is recognised."""

    #: Whether a request of this id has a row.
    request: Callable[[str], bool]
    #: Whether a logger of this name has a row.
    logger: Callable[[str], bool]
    #: Takes a release or its first characters, returns the release.
    release: Callable[[str], str | None]
    #: Takes a user's name, returns the user's number.
    user: Callable[[str], int | None]


def recognise(text: str, known: Known, now: datetime, zone: timezone = UTC) -> dict[str, str]:
    """Return the filters that a text stands for, or :data:`ROW`; ``q`` if it is only text.

    :param now: when it was typed
    :param zone: the zone of times that do not name one
    """
    text = text.strip()
    if not text:
        return {}
    if len(text) > MAX_TERM or not text.isprintable():
        return {"q": text}
    if quoted := _QUOTED.fullmatch(text):
        return {"q": quoted[1]}
    if row := _ROW.fullmatch(text):
        return {ROW: row[1]}
    if named := _NAMED.fullmatch(text):
        name = named[1].lower()
        return {"q" if name == "text" else name: named[2]}
    return _place(text) or _time(text, now, zone) or _name(text, known) or {"q": text}


def zone_of(minutes: str) -> timezone:
    """Return the zone that is so many minutes ahead of UTC; UTC if ``minutes`` is not a valid number."""
    if re.fullmatch(r"-?\d{1,4}", minutes, re.ASCII) and abs(int(minutes)) <= MAX_ZONE_MINUTES:
        return timezone(timedelta(minutes=int(minutes)))
    return UTC


def in_utc(moment: str, zone: timezone) -> str:
    """Return in UTC a time that a browser wrote without its zone; return any other text as it is."""
    try:
        there = datetime.fromisoformat(moment)
        return moment if there.tzinfo else _written(there.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        return moment


def _place(text: str) -> dict[str, str]:
    """Return the filter for an IP address, a path, or the path in a URL."""
    try:
        return {"ip": str(ip_address(text.strip("[]")))}
    except ValueError:
        pass
    if text.startswith(("http://", "https://")) and not re.search(r"\s", text):
        try:
            text = urlsplit(text).path or "/"
        except ValueError:
            return {}
    path = _PATH.fullmatch(text)
    return {"path": path[1].partition("?")[0].partition("#")[0]} if path else {}


def _time(text: str, now: datetime, zone: timezone) -> dict[str, str]:
    """Return the filters of a time and some minutes around it, or of a day."""
    said = _TIME.fullmatch(text)
    if not said:
        return {}
    try:
        if said["zone"] and said["zone"].strip():
            ahead = timedelta(hours=int(said["hours"] or 0), minutes=int(said["minutes"] or 0))
            zone = timezone(ahead if said["sign"] == "+" else -ahead)
        today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        start = _start_of_day((said["day"] or "today").lower(), today)
        if said["hour"] is None:
            return {"since": _written(start), "until": _written(start + timedelta(days=1))}
        moment = start.replace(hour=int(said["hour"]), minute=int(said["minute"]), second=int(said["second"] or 0))
        if said["day"] is None and moment > now:
            moment -= timedelta(days=1)
        return {"since": _written(moment - AROUND_TIME), "until": _written(moment + AROUND_TIME)}
    except (ValueError, OverflowError):
        return {}


def _start_of_day(day: str, today: datetime) -> datetime:
    if day == "today":
        return today
    if day == "yesterday":
        return today - timedelta(days=1)
    return datetime.fromisoformat(day).replace(tzinfo=today.tzinfo)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _name(text: str, known: Known) -> dict[str, str]:
    """Return the filter for the request, logger, release or user that has this name."""
    if _ID.fullmatch(text) and (_OWN_ID.fullmatch(text) or known.request(text)):
        return {"request": text}
    if known.logger(text):
        return {"logger": text}
    if _RELEASE.fullmatch(text) and (release := known.release(text)):
        return {"release": release}
    user = known.user(text.removeprefix("@"))
    return {} if user is None else {"user": str(user)}


#: Filters that match few rows: the form also sends its time range, which is ignored with one of these.
PRECISE = ("request", "user", "ip", "release", "problem")


def combine(found: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Return the filters of a search together with those that were there before.

    The search for a request drops all other filters; the other :data:`PRECISE` ones drop only the time range.
    """
    if "request" in found:
        return dict(found)
    dated = not any(name in found for name in PRECISE)
    return {name: term for name, term in before.items() if dated or name not in ("since", "until")} | dict(found)
