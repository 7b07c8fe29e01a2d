"""The index, and the answers to a load balancer, which asks whether the process is alive and ready."""

from urllib.parse import urlencode

from flask import Blueprint, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app import dblog, migration_state
from app.accounts.users import any_account

bp = Blueprint("main", __name__, template_folder="templates")


@bp.app_template_global()
def has_page(endpoint: str) -> bool:
    """Return whether that page exists, so that other pages link only to parts of the site that are there."""
    return endpoint in current_app.view_functions


@bp.app_template_global()
def this_page(**terms: object) -> str:
    """Return the address of the current page with these terms in its query; its other terms stay."""
    path = url_for(request.endpoint or "main.index", **(request.view_args or {}))
    return f"{path}?{urlencode(request.args.to_dict(flat=False) | terms, doseq=True)}"


@bp.get("/")
def index() -> ResponseReturnValue:
    needs_account = current_app.debug and not any_account()
    return render_template("main/index.html", needs_account=needs_account)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Say that the process answers."""
    return {"status": "ok"}


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Say whether to send visitors here: 503 without a usable database; the log's state never causes a 503."""
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
