"""What all pages of the log share: who may see them, and what is shown when there is nothing to see them with."""

from typing import Any

import orjson
from flask import Blueprint, Response, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from ...components import add_filters
from ...listing import BadFilter
from ..errors import Unreadable
from ..journal.read import waiting_records
from .format import first_line, level_name, level_tone, pretty, short_path
from .status import health

bp = Blueprint("dblog", __name__, template_folder="templates", static_folder="static", static_url_path="/logs/static")

add_filters(bp)
for template_filter in (first_line, level_name, level_tone, pretty, short_path):
    bp.add_app_template_filter(template_filter, f"log_{template_filter.__name__}")


@bp.before_request
def check_guard() -> ResponseReturnValue | None:
    """Pages, JSON, exports and files alike are for those whom the application's guard lets in."""
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        abort(403)
    try:
        answer: ResponseReturnValue | None = current_app.extensions["dblog"].guard()
    except SQLAlchemyError:
        if request.endpoint == "dblog.static":
            # No secret, and what the page below looks like.
            return None
        # Who may read the log cannot be told, so nothing of what went wrong is.
        return _unreachable(tables_missing=False, error=None)
    return answer


@bp.after_request
def keep_out_of_caches(response: Response) -> Response:
    if request.endpoint != "dblog.static":
        response.headers["Cache-Control"] = "no-store"
    return response


@bp.errorhandler(BadFilter)
def show_bad_filter(mistake: BadFilter) -> ResponseReturnValue:
    if wants_json():
        return {"error": str(mistake)}, 400
    return render_template("dblog/bad_filter.html", mistake=mistake), 400


@bp.errorhandler(Unreadable)
def show_unreachable(error: Unreadable) -> ResponseReturnValue:
    log_health = health(current_app.extensions["dblog"].journal)
    # The writer says more, but may not have noticed yet.
    return _unreachable(error.tables_missing, log_health["error"] or str(error))


def _unreachable(tables_missing: bool, error: str | None) -> ResponseReturnValue:
    journal = current_app.extensions["dblog"].journal
    waiting = len(journal.memory) + waiting_records(journal.folder)
    if wants_json():
        what = "The log's tables are missing: run `flask db upgrade`." if tables_missing else "No database answers."
        return {"error": what, "records_waiting": waiting}, 503
    # Not render_template: its context may hold the visitor's account, and no database is asked here.
    page = current_app.jinja_env.get_template("dblog/unreachable.html")
    return page.render(tables_missing=tables_missing, error=error, waiting=waiting), 503


def wants_json() -> bool:
    return request.path.endswith((".json", ".jsonl"))


def as_response(data: dict[str, Any]) -> Response:
    """JSON without Flask's detour through Python's own encoder: fifty rows with their frames are large."""
    return Response(orjson.dumps(data, default=str), mimetype="application/json")
