"""The trail's pages and their JSON twins; the guard decides who may see them."""

from dataclasses import fields
from typing import Any

from flask import Blueprint, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from .. import static_files
from ..actor import Link, keep_out_of_caches
from ..listing import BadFilter, Page, redirect_without_empty
from ..negotiation import wants_json
from . import queries
from .entries import ACTIONS
from .format import as_json, is_in_log, names_of, outside_requests, summary, value, who
from .queries import Filters

FILTERS = tuple(field.name for field in fields(Filters))

bp = Blueprint("audit", __name__, template_folder="templates", static_folder="static", static_url_path="/audit/static")
bp.after_request(keep_out_of_caches)
static_files.init_blueprint(bp)


@bp.before_request
def check_guard() -> ResponseReturnValue | None:
    answer: ResponseReturnValue | None = current_app.extensions["audit"].guard()
    return answer


bp.before_request(redirect_without_empty)


@bp.errorhandler(BadFilter)
def show_bad_filter(mistake: BadFilter) -> ResponseReturnValue:
    if wants_json():
        return {"error": str(mistake)}, 400
    return render_template("audit/bad_filter.html", mistake=mistake), 400


@bp.get("/audit")
def index() -> ResponseReturnValue:
    terms, page = filter_terms(), find(current_terms())
    return render_template(
        "audit/index.html",
        page=page,
        people=names_of(page.entries),
        terms=terms,
        actions=ACTIONS,
        active_filters=[(name, term, url_for(".index", **terms | {name: None})) for name, term in terms.items()],
    )


@bp.get("/audit.json")
def index_json() -> ResponseReturnValue:
    return page_as_json(find(current_terms()))


@bp.get("/audit/<model>/<path:object_id>")
def history(model: str, object_id: str) -> ResponseReturnValue:
    page = find_history(model, object_id)
    people = names_of(page.entries)
    return render_template("audit/history.html", page=page, people=people, model=model, object_id=object_id)


@bp.get("/audit/<model>/<path:object_id>.json")
def history_json(model: str, object_id: str) -> ResponseReturnValue:
    return page_as_json(find_history(model, object_id))


def changes_of_request(request_id: str) -> Link | None:
    """Return the link to what a request changed, None if it changed nothing or the trail cannot be read."""
    return _link("What it changed", request=request_id)


def changes_of_user(user_id: int) -> Link | None:
    """Return the link to what a user changed, None if that is nothing or the trail cannot be read."""
    return _link("their changes", user=user_id)


def _link(text: str, **terms: Any) -> Link | None:
    try:
        changed = queries.has_changes(**terms)
    except SQLAlchemyError:
        return None
    return Link(text, url_for("audit.index", **terms)) if changed else None


def current_terms() -> dict[str, str]:
    return {name: term for name, term in request.args.items() if term}


def filter_terms() -> dict[str, Any]:
    return {name: term for name in FILTERS if (term := request.args.get(name))}


def find(terms: dict[str, str]) -> Page:
    return queries.page(Filters.parse(terms), before=terms.get("before"), after=terms.get("after"))


def find_history(model: str, object_id: str) -> Page:
    """Return the entries of one object; the object itself may be deleted."""
    page = find(current_terms() | {"model": model, "object": object_id})
    return page if page.entries else abort(404)


def page_as_json(page: Page) -> ResponseReturnValue:
    return {
        "entries": [as_json(entry) for entry in page.entries],
        "newer": beside(after=page.newer),
        "older": beside(before=page.older),
        "searched_to": page.searched_to and page.searched_to.isoformat(),
    }


def beside(**cursor: str | None) -> str | None:
    """Return the address of this page at another cursor, with the same filters; None if the cursor is None."""
    if None in cursor.values():
        return None
    return url_for(request.endpoint or "audit.index", **filter_terms() | cursor | (request.view_args or {}))


bp.context_processor(
    lambda: {
        "who": who,
        "value": value,
        "summary": summary,
        "outside_requests": outside_requests,
        "is_in_log": is_in_log,
        "beside": beside,
    }
)
