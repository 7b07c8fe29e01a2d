"""The pages of groups, and what may be decided about one."""

from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...listing import BadFilter
from ..models import OPEN
from . import problems
from .charts import heights
from .filters import Filters
from .format import frame_runs, why_grouped
from .queries import page, reading

RECENT = 20
WEEK_HOURS = 7 * 24


def show_groups() -> ResponseReturnValue:
    status = request.args.get("status") or OPEN
    with reading() as log:
        listed = problems.list_groups(log, status, request.args.get("before"))
        charts = problems.charts(log, [group.fingerprint for group in listed.groups])
        tally = problems.tally(log)
    return render_template(
        "dblog/groups.html",
        status=status,
        statuses=(*problems.STATUSES, problems.ALL),
        groups=listed.groups,
        older=listed.older,
        counts=charts,
        charts={fingerprint: heights(counts) for fingerprint, counts in charts.items()},
        tally=tally,
        cap=problems.COUNT_CAP,
    )


def show_group(fingerprint: str) -> ResponseReturnValue:
    with reading() as log:
        group = problems.find_group(log, fingerprint) or abort(404)
        entry = problems.last_entry(log, fingerprint)
        recent = page(log, Filters(group=fingerprint), size=RECENT)
        counts = problems.charts(log, [fingerprint])[fingerprint]
    root = current_app.extensions["dblog"].root
    return render_template(
        "dblog/group.html",
        group=group,
        entry=entry,
        recent=recent,
        counts=counts,
        chart_bars=heights(counts),
        why=why_grouped(entry, group.title, root) if entry else None,
        errors=frame_runs(entry) if entry else [],
        root=root,
    )


def change_group(fingerprint: str) -> ResponseReturnValue:
    """Resolve, mute or reopen; a resolved group reopens by itself when it recurs."""
    status = request.form.get("status", "")
    if status not in problems.STATUSES:
        raise BadFilter(f"status: one of {', '.join(problems.STATUSES)}; not “{status[:50]}”.")
    if not problems.decide(fingerprint, status):
        abort(404)
    tab = request.form.get("list")
    if tab in (*problems.STATUSES, problems.ALL):
        return redirect(url_for("dblog.show_groups", status=tab), 303)
    return redirect(url_for("dblog.show_group", fingerprint=fingerprint), 303)
