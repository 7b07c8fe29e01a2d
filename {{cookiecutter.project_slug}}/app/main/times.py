"""Template filters: `|when` for the clock, `|ago` for the distance; both say UTC in the title."""

from datetime import UTC, datetime

from markupsafe import Markup

from .views import bp

STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (30, "day"), (12, "month"))


@bp.app_template_filter()
def when(moment: datetime | None) -> Markup:
    """The moment in UTC; site.js turns it into the reader's own time."""
    text = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else ""
    return _time(moment, text, Markup(" data-local"))


@bp.app_template_filter()
def ago(moment: datetime | None) -> Markup:
    """How long ago in one unit, rounded down: "3 minutes ago"."""
    return _time(moment, distance(moment) if moment else "")


def distance(moment: datetime) -> str:
    count = int((datetime.now(UTC) - moment).total_seconds())
    unit = "year"
    for size, name in STEPS:
        if count < size:
            unit = name
            break
        count //= size
    if unit == "second":
        return "just now"
    return f"{count} {unit}{'' if count == 1 else 's'} ago"


def _time(moment: datetime | None, text: str, attribute: Markup | str = "") -> Markup:
    if moment is None:
        return Markup()
    utc = moment.astimezone(UTC)
    machine = utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S} UTC"{}>{}</time>').format(
        machine, utc, attribute, text
    )
