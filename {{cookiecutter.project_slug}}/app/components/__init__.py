"""What pages share: macros and their style, and filters (times as ``<time>``, text with visible control characters).

A page with clock times links ``times.js``, which shows them in the reader's own zone, and prints :func:`zone` once.

The ``base.html`` of this folder is used by an application that has none.
"""

from datetime import UTC, datetime, timedelta

from flask import Blueprint, Flask
from markupsafe import Markup

from .. import static_files
from ..database import utcnow
from ..terminal import how_many, inert

_UNITS = ((60, "s"), (60, "min"), (24, "h"), (30, "d"), (12, "mo"))
# strftime() would follow the server's locale, but the pages are in English.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

bp = Blueprint(
    "components", __name__, template_folder="templates", static_folder="static", static_url_path="/components/static"
)
static_files.init_blueprint(bp)


def init_app(app: Flask) -> None:
    """Offer the components to every page of the application; each feature that needs them may call this."""
    if bp.name not in app.blueprints:
        app.register_blueprint(bp)


def span(time: timedelta) -> str:
    """Return the time in one unit, rounded down: "3 min"; a negative one is 0."""
    count = max(0, int(time.total_seconds()))
    for size, unit in _UNITS:
        if count < size:
            return f"{count} {unit}"
        count //= size
    return f"{count} y"


def distance(moment: datetime) -> str:
    """Return how long ago this was: "3 min ago"."""
    return f"{span(utcnow() - moment)} ago"


def ago(moment: datetime | None) -> Markup:
    """Return the distance from now."""
    return _time(moment, distance(moment)) if moment else Markup()


def age(moment: datetime) -> Markup:
    """Return how long ago the moment was, without "ago": "3 min"."""
    return _time(moment, span(utcnow() - moment))


def when(moment: datetime | None) -> Markup:
    """Return the moment to the minute, in UTC; site.js turns it into the reader's own time."""
    return _time(moment, f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC", local=True) if moment else Markup()


def utc(moment: datetime | None) -> Markup:
    """Return the moment in UTC to the millisecond."""
    return _time(moment, f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]) if moment else Markup()


def clock(moment: datetime | None, dated: bool = False) -> Markup:
    """Return the time of day in UTC to the millisecond; times.js turns it into the reader's own time.

    :param dated: whether to add the date and the zone, for a place with no :func:`day` above it
    """
    return _clock(moment, "dated" if dated else "time") if moment else Markup()


def minute(moment: datetime | None) -> Markup:
    """Return date and time to the minute, as :func:`clock` does."""
    return _clock(moment, "minute") if moment else Markup()


def hour_minute(moment: datetime) -> Markup:
    """Return the time of day to the minute, as :func:`clock` does."""
    return _clock(moment, "short")


def _clock(moment: datetime, kind: str) -> Markup:
    iso = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    date, time = iso[:10], iso[11:23]
    text = {"time": time, "short": time[:5], "minute": f"{date} {time[:5]} UTC"}.get(kind, f"{date} {time} UTC")
    title = f"{distance(moment)}\n{date} {time} UTC"
    return Markup(f'<time datetime="{date}T{time}Z" title="{title}" data-clock="{kind}">{text}</time>')


def near(moment: datetime, timed: bool = False) -> Markup:
    """Return the time of day of today or yesterday, else the date, in UTC; times.js turns it into the reader's own.

    :param timed: whether the time of day follows the date, as in "26 Nov 17:09"
    """
    moment, now = moment.astimezone(UTC), utcnow()
    days = (now.date() - moment.date()).days
    if days in (0, 1):
        text = f"{'yesterday ' if days else ''}{moment:%H:%M}"
    else:
        text = f"{moment.day} {_MONTHS[moment.month - 1][:3]}{'' if moment.year == now.year else f' {moment.year}'}"
        text += f" {moment:%H:%M}" if timed else ""
    title = f"{distance(moment)}\n{moment:%Y-%m-%d %H:%M:%S} UTC"
    kind = "near-timed" if timed else "near"
    return Markup(f'<time datetime="{moment:%Y-%m-%dT%H:%M:%S}Z" title="{title}" data-clock="{kind}">{text}</time>')


def day(moment: datetime) -> Markup:
    """Return the day in UTC, such as "Friday 27 November", with the year unless it is this one."""
    date, this_year = moment.astimezone(UTC), utcnow().year
    text = f"{_DAYS[date.weekday()]} {date.day} {_MONTHS[date.month - 1]}"
    return Markup(
        f'<time datetime="{date:%Y-%m-%d}" data-day>{text}{"" if date.year == this_year else f" {date.year}"}</time>'
    )


def zone() -> Markup:
    """Return the note on the zone of a page's times; times.js replaces it by the reader's own zone."""
    return Markup("<span data-zone>times are UTC</span>")


def _time(moment: datetime, text: str, *, local: bool = False) -> Markup:
    """Return a ``<time>`` element that programs can read, with the time in UTC in its title."""
    moment = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S} UTC"{}>{}</time>').format(
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        moment,
        Markup(" data-local") if local else "",
        text,
    )


for template_filter in (ago, age, when, utc, clock, minute, near, span, day, inert, how_many):
    bp.add_app_template_filter(template_filter)
bp.add_app_template_global(zone)
