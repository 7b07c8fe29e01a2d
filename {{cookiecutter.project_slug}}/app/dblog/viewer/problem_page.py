"""The page of one problem: what happened, to whom, since when, and what was decided about it."""

from collections.abc import Sequence
from typing import Any

from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...actor import links_of_user, related_links
from ...listing import BadFilter, parse_id
from ..grouping import explain
from ..models import MAX_USERS
from . import problem_facts, problem_list, problems, queries
from .blueprint import as_response, bp, tabs_report
from .charts import heights
from .decision_views import answer, read_done, who_decides
from .decisions import HISTORY_LINES, NOTE_LIMIT, decide, history, line_as_json, parse_change, parse_note
from .filters import Filters
from .format import as_json, frame_runs, why_grouped
from .hand_over import problem_as_markdown
from .people import names_of
from .queries import ALL_COLUMNS, page, reading

RECENT_ROWS = 10
GONE = (
    "There is no problem of this number, or not any more: a problem about which nothing was decided is deleted with its"
    " last row, or if there are more problems than LOG_MAX_PROBLEMS."
)


@bp.get("/logs/problems/<int:problem_id>")
def show_problem(problem_id: int) -> ResponseReturnValue:
    """Show the problem with its newest row, or with the row that ``row`` names."""
    number = parse_id("row", request.args["row"]) if request.args.get("row") else None
    with reading() as log:
        problem = problems.find_problem(log, problem_id) or abort(404, GONE)
        entry = problem_facts.find_entry(log, problem, number)
        older, newer = queries.neighbours(log, entry) if entry else (None, None)
        counts = problem_list.count_by_day(log, [problem])[problem_id]
        releases = problem_list.recent_deploys(log)
        facts: dict[str, Any] = {
            "of_request": problem_facts.rows_of_request(log, entry) if entry else None,
            "since_resolved": problem_facts.rows_since_resolved(log, problem),
            "most_hit": problem_facts.most_hit(log, problem),
            "history": history(log, problem),
            "recent": page(log, Filters(problem=problem_id), size=RECENT_ROWS),
            "without_row": problems.count_without_row(log, problem),
            "done": read_done(log),
            "report": tabs_report(log),
        }
    root = current_app.extensions["dblog"].writer.root
    address = url_for("dblog.show_problem", problem_id=problem_id, _external=True)
    return render_template(
        "dblog/problem.html",
        problem=problem,
        entry=entry,
        older=older,
        newer=newer,
        status=problem_list.shown_status(problem),
        new_since=releases[0].release if releases and problem_list.is_new(problem, releases[0].first_seen) else None,
        is_deployed=bool(releases),
        deploys=problem_facts.place_deploys(releases),
        days=dict(zip(problem_facts.days_of_chart(), counts, strict=True)),
        bars=heights(counts),
        known={problem.fingerprint: problems.Known(problem.id, problem.count, problem.place)},
        names=names_of([entry] if entry else [], facts["recent"].entries, facts["history"], facts["most_hit"]),
        rule=explain(problem.fingerprint),
        why=why_grouped(entry, problem.title, root) if entry else None,
        errors=frame_runs(entry) if entry else [],
        waits=problem_facts.waits(facts["history"]),
        related=related_links(entry.request_id) if entry else [],
        of_user=links_of_user(entry.user_id) if entry else [],
        root=root,
        address=address,
        markdown=problem_as_markdown(problem, entry, address, root),
        most_lines=HISTORY_LINES,
        most_users=MAX_USERS,
        note_limit=NOTE_LIMIT,
        since_cap=problem_facts.SINCE_CAP,
        **facts,
    )


@bp.get("/logs/problems/<int:problem_id>.json")
def problem_json(problem_id: int) -> ResponseReturnValue:
    with reading() as log:
        problem = problems.find_problem(log, problem_id) or abort(404, GONE)
        lines = history(log, problem)
        recent = page(log, Filters(problem=problem_id), columns=ALL_COLUMNS, size=RECENT_ROWS)
    names = names_of(lines)
    return as_response(
        {
            "problem": problems.as_json(problem),
            "history": [line_as_json(line) | {"user": names.get(line.user_id or 0)} for line in lines],
            "rows": [as_json(entry) for entry in recent.entries],
        }
    )


@bp.post("/logs/problems/<int:problem_id>")
def change_problem(problem_id: int) -> ResponseReturnValue:
    """Resolve, mute or reopen one problem, for scripts; the pages' forms are answered in :mod:`.decision_views`."""
    change = parse_change(request.form.get("status", ""), request.form.get("until", ""))
    if problem_id >= 2**63 or not decide([problem_id], change, who_decides()):
        abort(404, GONE)
    tab = request.form.get("list")
    if tab in problem_list.VIEWS:
        return redirect(url_for("dblog.show_problems", status=tab), 303)
    return redirect(url_for("dblog.show_problem", problem_id=problem_id), 303)


@bp.post("/logs/problems/<int:problem_id>/note")
def note_problem(problem_id: int) -> ResponseReturnValue:
    """Add a note to the problem's history."""

    def noted() -> Sequence[int]:
        note = parse_note(request.form.get("note", ""))
        lines = decide([problem_id], note, who_decides()) if problem_id < 2**63 else []
        if not lines:
            raise BadFilter("Nothing was noted: the problem is gone.")
        return lines

    return answer(noted)
