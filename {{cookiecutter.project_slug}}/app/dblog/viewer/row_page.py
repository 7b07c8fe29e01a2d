"""The page of one row, and its JSON twin."""

from flask import abort, current_app, render_template
from flask.typing import ResponseReturnValue

from . import problems, queries
from .blueprint import as_response, bp
from .format import as_text, frame_runs
from .queries import reading
from .views import with_problem


@bp.get("/logs/<int:entry_id>")
def detail(entry_id: int) -> ResponseReturnValue:
    with reading() as log:
        entry = queries.find(log, entry_id) or abort(404)
        older, newer = queries.neighbours(log, entry)
        problem = problems.of_fingerprint(log, entry.fingerprint)
        of_request = queries.count_request(log, entry.request_id) if entry.request_id else 0
    return render_template(
        "dblog/detail.html",
        entry=entry,
        older=older,
        newer=newer,
        problem=problem,
        of_request=of_request,
        errors=frame_runs(entry),
        as_text=as_text(entry, local=False),
        root=current_app.extensions["dblog"].writer.root,
    )


@bp.get("/logs/<int:entry_id>.json")
def detail_json(entry_id: int) -> ResponseReturnValue:
    with reading() as log:
        entry = queries.find(log, entry_id) or abort(404)
        return as_response(with_problem(entry, problems.of_rows(log, [entry])))
