"""What pages share: macros and their style, and filters (moments as ``<time>``, text that shows its controls).

``base.html`` in here stands in for that of an application that has none.
"""

from datetime import UTC, datetime

from flask import Blueprint, Flask
from markupsafe import Markup

from ..database import utcnow
from ..terminal import inert

_UNITS = ((60, "s"), (60, "min"), (24, "h"), (30, "d"), (12, "mo"))


bp = Blueprint(
    "components", __name__, template_folder="templates", static_folder="static", static_url_path="/components/static"
)


def init_app(app: Flask) -> None:
    """Give them to every page of the application; whoever needs them may say so again."""
    if bp.name not in app.blueprints:
        app.register_blueprint(bp)


def distance(moment: datetime) -> str:
    """Return how long ago this was in one unit, rounded down: "3 min ago"."""
    count = max(0, int((utcnow() - moment).total_seconds()))
    for size, unit in _UNITS:
        if count < size:
            return f"{count} {unit} ago"
        count //= size
    return f"{count} y ago"


def ago(moment: datetime | None) -> Markup:
    """Return the distance from now."""
    return _time(moment, distance(moment)) if moment else Markup()


def when(moment: datetime | None) -> Markup:
    """Return the moment to the minute, in UTC; site.js turns it into the reader's own time."""
    return _time(moment, f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC", local=True) if moment else Markup()


def utc(moment: datetime | None) -> Markup:
    """Return the moment in UTC to the millisecond."""
    return _time(moment, f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]) if moment else Markup()


def _time(moment: datetime, text: str, *, local: bool = False) -> Markup:
    """Return a ``<time>`` for programs, with UTC in its title."""
    moment = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S} UTC"{}>{}</time>').format(
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        moment,
        Markup(" data-local") if local else "",
        text,
    )


for template_filter in (ago, when, utc, inert):
    bp.add_app_template_filter(template_filter)
