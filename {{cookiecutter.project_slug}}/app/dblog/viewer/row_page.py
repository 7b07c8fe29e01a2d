"""The page of one row, and its twins as JSON and as text."""

from flask import Response, abort, current_app, render_template, url_for
from flask.typing import ResponseReturnValue

from ...actor import links_of_user, related_links
from ...terminal import inert
from . import problem_facts, problem_list, problems, queries
from .blueprint import as_response, bp, tabs_report
from .filters import SHOW, Filters
from .format import as_text, frame_runs, source_of
from .hand_over import row_as_markdown
from .people import names_of
from .queries import reading
from .views import with_problem

#: How many rows of the same time, itself included, the page of a row shows that is alone in its request.
ROWS_AROUND = 10
AT_ALL_LEVELS = Filters(muted=SHOW)


@bp.get("/logs/<int:entry_id>")
def detail(entry_id: int) -> ResponseReturnValue:
    with reading() as log:
        entry = queries.find(log, entry_id) or abort(404)
        older, newer = queries.neighbours(log, entry)
        problem = problems.of_fingerprint(log, entry.fingerprint)
        of_request = problem_facts.rows_of_request(log, entry)
        with_its_id = of_request.total
        if entry.request_id and not entry.method:
            with_its_id = queries.count_request(log, entry.request_id)
        # A row without a traceback and without other rows of its request says little by itself.
        is_alone = not entry.frames and of_request.total == 1
        around = queries.around(log, AT_ALL_LEVELS, entry_id, size=ROWS_AROUND).entries if is_alone else []
        known = problems.of_rows(log, around)
        report = tabs_report(log)
    root = current_app.extensions["dblog"].writer.root
    address = url_for("dblog.detail", entry_id=entry_id, _external=True)
    return render_template(
        "dblog/detail.html",
        entry=entry,
        report=report,
        source=source_of(entry, root),
        older=older,
        newer=newer,
        problem=problem,
        status=problem_list.shown_status(problem) if problem else None,
        of_request=of_request,
        errors=frame_runs(entry),
        related=related_links(entry.request_id),
        of_user=links_of_user(entry.user_id),
        with_its_id=with_its_id,
        around=around,
        known=known,
        names=names_of([entry], around),
        root=root,
        address=address,
        markdown=row_as_markdown(entry, address, root),
    )


@bp.get("/logs/<int:entry_id>.json")
def detail_json(entry_id: int) -> ResponseReturnValue:
    with reading() as log:
        entry = queries.find(log, entry_id) or abort(404)
        return as_response(with_problem(entry, problems.of_rows(log, [entry])))


@bp.get("/logs/<int:entry_id>.txt")
def detail_text(entry_id: int) -> Response:
    """Show everything about the row as text, with the traceback as Python prints it."""
    with reading() as log:
        entry = queries.find(log, entry_id) or abort(404)
    root = current_app.extensions["dblog"].writer.root
    return Response(f"{inert(as_text(entry, root, local=False))}\n", mimetype="text/plain")
