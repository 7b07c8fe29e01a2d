"""The demo shows the log at work: three things go wrong on purpose. It exists in debug only."""

import logging
import secrets

from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app import dblog
from app.accounts.models import User
from app.accounts.users import find_user
from app.database import db
from app.dblog.models import LogEntry
from app.serving import REQUEST_ID

from .views import bp

logger = logging.getLogger(__name__)


@bp.get("/demo")
def demo() -> ResponseReturnValue:
    """Show the buttons, and above them what the last pressed button has caused."""
    debug_only()
    done, name = request.args.get("done"), request.args.get("name", "")
    entry = logged_row(request.args.get("request", "")) if done else None
    return render_template("main/demo.html", done=done, entry=entry, name=name, half_row=find_user(name))


@bp.post("/demo/warning")
def demo_warning() -> ResponseReturnValue:
    debug_only()
    logger.warning("The coffee is running low: %s cups left", 2, extra={"machine": "kitchen"})
    return redirect(url_for(".demo", done="warning", request=request.environ[REQUEST_ID]))


@bp.post("/demo/exception")
def demo_exception() -> ResponseReturnValue:
    debug_only()
    raise RuntimeError("This exception was raised on purpose")


@bp.post("/demo/transaction")
def demo_transaction() -> ResponseReturnValue:
    """Fail half-way: the rollback undoes the change, but not the log record of the failure."""
    debug_only()
    name = f"half-way-{secrets.token_hex(3)}"
    db.session.add(User(username=name, password_hash="none"))
    db.session.flush()
    try:
        raise RuntimeError("The second half failed on purpose")
    except RuntimeError:
        logger.exception("Failed half-way through saving %s", name)
    db.session.rollback()
    return redirect(url_for(".demo", done="transaction", request=request.environ[REQUEST_ID], name=name))


def debug_only() -> None:
    if not current_app.debug:
        abort(404)


def logged_row(request_id: str) -> LogEntry | None:
    """Return the newest row that the request logged, None if the log's database is away."""
    if not dblog.flush(timeout=5):
        return None
    its_rows = select(LogEntry).where(LogEntry.request_id == request_id)
    return db.session.scalar(its_rows.order_by(LogEntry.id.desc()).limit(1))
