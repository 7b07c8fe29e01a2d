"""What all pages of the log share: the guard, the tabs, and the answers to a bad filter or an unreachable database."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from flask import Blueprint, Response, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ... import static_files
from ...actor import keep_out_of_caches
from ...listing import BadFilter, redirect_without_empty
from ...negotiation import wants_json
from ..errors import TooSlow, Unreadable
from ..grouping import short_path
from ..journal.append import FILES_SEEN_AT_ONCE
from ..journal.waiting import waiting_records
from . import problems
from .format import first_line, heading, level_name, level_tone, pretty
from .queries import reading
from .status import health, recent_state

bp = Blueprint("dblog", __name__, template_folder="templates", static_folder="static", static_url_path="/logs/static")

bp.after_request(keep_out_of_caches)
static_files.init_blueprint(bp)
for template_filter in (first_line, heading, level_name, level_tone, pretty, short_path):
    bp.add_app_template_filter(template_filter, f"log_{template_filter.__name__}")


@bp.before_request
def check_guard() -> ResponseReturnValue | None:
    """Ask the application's guard who may enter, before each page, JSON answer, export and static file."""
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        abort(403)
    try:
        answer: ResponseReturnValue | None = current_app.extensions["dblog"].guard()
    except SQLAlchemyError:
        if request.endpoint == "dblog.static":
            # The error page below needs the style sheet, which is no secret.
            return None
        # The guard cannot tell who may read the log, so the page does not say what went wrong.
        return _unreachable(tables_missing=False, error=None)
    return answer


@bp.before_request
def clean_address() -> ResponseReturnValue | None:
    """Redirect to the address without empty parameters; the view of the rows does that itself for its form."""
    return None if "find" in request.args else redirect_without_empty()


def tabs_report(log: Session) -> dict[str, Any]:
    """Return what the tabs show, for a page that has a session open: a transaction of its own takes a millisecond."""
    return {"state": recent_state(current_app.extensions["dblog"], log), "open_problems": problems.count_open(log)}


@bp.app_template_global("log_tabs")
def tabs(report: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return what the tabs show: the log's state, and the number of open problems ("" if it is unknown).

    :param report: the log's report, if the page has asked for it already
    """
    if not report:
        # This is an error page: a database that is slow or away must not raise here.
        report = {"state": "degraded", "open_problems": None}
        with suppress(TooSlow, Unreadable), reading() as log:
            report = tabs_report(log)
    count, cap = report["open_problems"], problems.COUNT_CAP
    return {
        "state": report["state"],
        "open_problems": "" if count is None else f"{cap:,}+" if count > cap else f"{count:,}",
    }


@bp.errorhandler(BadFilter)
def show_bad_filter(mistake: BadFilter) -> ResponseReturnValue:
    if wants_json():
        return {"error": str(mistake)}, 400
    return render_template("dblog/bad_filter.html", mistake=mistake), 400


@bp.errorhandler(TooSlow)
def show_too_slow(error: TooSlow) -> ResponseReturnValue:
    if wants_json():
        return {"error": str(error)}, 503
    return render_template("dblog/too_slow.html", error=error), 503


@bp.errorhandler(Unreadable)
def show_unreachable(error: Unreadable) -> ResponseReturnValue:
    log_health = health(current_app.extensions["dblog"].journal, most_files=FILES_SEEN_AT_ONCE)
    # The writer's own error says more, but the writer may not have noticed the outage yet.
    return _unreachable(error.tables_missing, log_health["error"] or str(error))


def _unreachable(tables_missing: bool, error: str | None) -> ResponseReturnValue:
    waiting = waiting_records(current_app.extensions["dblog"].journal, FILES_SEEN_AT_ONCE)
    if wants_json():
        what = "The log's tables are missing: run `flask db upgrade`." if tables_missing else "No database answers."
        return {"error": what, "records_waiting": waiting}, 503
    # This page uses neither render_template nor the site's base page: they may load the visitor's account, from the
    # database that is away.
    page = current_app.jinja_env.get_template("dblog/unreachable.html")
    base = "components/plain.html"
    return page.render(log_base=base, tables_missing=tables_missing, error=error, waiting=waiting), 503


def as_response(data: dict[str, Any]) -> Response:
    """Return the data as JSON. Flask's own encoder takes nine times as long for fifty rows with their frames."""
    return Response(orjson.dumps(data, default=str), mimetype="application/json")
