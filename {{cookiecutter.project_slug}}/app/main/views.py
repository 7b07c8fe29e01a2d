"""The index, and the two questions of a load balancer: alive? ready?"""

from urllib.parse import urlencode

from flask import Blueprint, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app import dblog, migration_state
from app.accounts.users import any_account

bp = Blueprint("main", __name__, template_folder="templates")


@bp.app_template_global()
def has_page(endpoint: str) -> bool:
    """True if that part of the site is there, so that pages link only to what exists."""
    return endpoint in current_app.view_functions


@bp.app_template_global()
def this_page(**terms: object) -> str:
    """Return the address of the current page with other terms in its query; those that are not named stay."""
    path = url_for(request.endpoint or "main.index", **(request.view_args or {}))
    return f"{path}?{urlencode(request.args.to_dict(flat=False) | terms, doseq=True)}"


@bp.get("/")
def index() -> ResponseReturnValue:
    needs_account = current_app.debug and not any_account()
    return render_template("main/index.html", needs_account=needs_account)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The process answers."""
    return {"status": "ok"}


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Whether to send visitors here: 503 without a usable database, never for the log's sake."""
    migrations = state_of_migrations()
    log = dblog.status(current_app)["state"]
    usable = migrations in ("current", "unknown")
    healthy = "ok" if log == "ok" else "degraded"
    answer = {"status": healthy if usable else "unavailable", "migrations": migrations, "log": log}
    return answer, 200 if usable else 503


def state_of_migrations() -> str:
    try:
        return migration_state.state(current_app)
    except SQLAlchemyError:
        return "unreachable"
