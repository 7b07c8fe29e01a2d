"""Who is acting, and who may go where."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import flask_login
from flask import abort, g, has_request_context, redirect, request, session, url_for
from flask.sessions import SessionMixin
from flask.typing import ResponseReturnValue
from sqlalchemy import inspect
from werkzeug.local import LocalProxy

from app.database import db
from app.extensions import login_manager
from app.negotiation import wants_json

from .models import User

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

# Flask-Login's own two objects; it has no types, so they get theirs here.
current_user = cast(User, flask_login.current_user)
login_required: Callable[[View], View] = flask_login.login_required

# actor() is called for every log record, and a proxy's own attributes cost five times as much.
_current_g = cast("LocalProxy[Any]", g)._get_current_object
_current_session = cast("LocalProxy[SessionMixin]", session)._get_current_object


def actor() -> tuple[int | None, bool | None]:
    """The acting user's id and whether an admin, as far as memory knows; (None, None) for nobody.

    Never asks the database: this is called in the middle of other people's transactions.
    """
    if not has_request_context():
        return None, None
    user = _current_g().get("_login_user")
    if isinstance(user, User) and (identity := inspect(user).identity):
        return identity[0], vars(user).get("is_admin")
    # Not loaded yet, or deleted meanwhile: the session still says who it is.
    # There is none yet while Flask opens it.
    current_session = _current_session()
    return _id_in(current_session.get("_user_id")) if current_session else None, None


def admin_required() -> ResponseReturnValue | None:
    """None for an admin; otherwise the way to the login page, 401 for JSON, or 403."""
    if not current_user.is_authenticated:
        return send_to_login()
    if not current_user.is_admin:
        abort(403)
    return None


def send_to_login() -> ResponseReturnValue:
    if wants_json():
        abort(401)
    here = request.script_root + request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("accounts.login", next=here))


def load_user(session_id: str) -> User | None:
    user_id = _id_in(session_id)
    user = db.session.get(User, user_id) if user_id is not None else None
    return user if user is not None and user.get_id() == session_id else None


def _id_in(session_id: Any) -> int | None:
    digits = str(session_id).partition(".")[0]
    return int(digits) if digits.isdecimal() else None


login_manager.user_loader(load_user)
login_manager.unauthorized_handler(send_to_login)
