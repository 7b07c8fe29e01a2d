"""The page of one problem, and what may be decided about it there."""

from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..grouping import explain
from . import problems
from .blueprint import bp
from .charts import heights
from .decisions import Who, decide, parse_change
from .filters import Filters
from .format import frame_runs, why_grouped
from .queries import page, reading

RECENT_ROWS = 20
GONE = (
    "There is no problem of this number, or not any more: a problem goes with its last row, if nothing was decided"
    " about it, and when there are more problems than LOG_MAX_PROBLEMS."
)


@bp.get("/logs/problems/<int:problem_id>")
def show_problem(problem_id: int) -> ResponseReturnValue:
    with reading() as log:
        problem = problems.find_problem(log, problem_id) or abort(404, GONE)
        entry = problems.last_entry(log, problem)
        recent = page(log, Filters(problem=problem_id), size=RECENT_ROWS)
        counts = problems.charts(log, [problem])[problem_id]
        without_row = problems.count_without_row(log, problem)
    root = current_app.extensions["dblog"].writer.root
    return render_template(
        "dblog/problem.html",
        problem=problem,
        entry=entry,
        recent=recent,
        counts=counts,
        without_row=without_row,
        chart_bars=heights(counts),
        rule=explain(problem.fingerprint),
        why=why_grouped(entry, problem.title, root) if entry else None,
        errors=frame_runs(entry) if entry else [],
        root=root,
    )


@bp.post("/logs/problems/<int:problem_id>")
def change_problem(problem_id: int) -> ResponseReturnValue:
    """Resolve, mute or reopen; a resolved problem reopens by itself when it recurs."""
    change = parse_change(request.form.get("status", ""), request.form.get("until", ""))
    user_id, _ = current_app.extensions["dblog"].actor()
    if problem_id >= 2**63 or not decide([problem_id], change, Who(user_id)):
        abort(404, GONE)
    tab = request.form.get("list")
    if tab in (*problems.STATUSES, problems.ALL):
        return redirect(url_for("dblog.show_problems", status=tab), 303)
    return redirect(url_for("dblog.show_problem", problem_id=problem_id), 303)
