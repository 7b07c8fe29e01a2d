"""Who is acting, and who may go where."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import flask_login
from flask import Response, abort, g, has_request_context, redirect, request, session, url_for
from flask.sessions import SessionMixin
from flask.typing import ResponseReturnValue
from sqlalchemy import inspect
from werkzeug.local import LocalProxy

from app.extensions import login_manager
from app.negotiation import wants_json

from . import sessions
from .models import User

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

# Flask-Login has no types, so its two objects get theirs here.
current_user = cast(User, flask_login.current_user)
login_required: Callable[[View], View] = flask_login.login_required

# actor() runs for every log record, and reading through the proxies themselves takes five times as long.
_current_g = cast("LocalProxy[Any]", g)._get_current_object
_current_session = cast("LocalProxy[SessionMixin]", session)._get_current_object


def actor() -> tuple[int | None, bool | None]:
    """Return the acting user's id and whether that is an admin, as far as memory knows; (None, None) for nobody.

    It never asks the database: log calls and flushes run it in the middle of any transaction.
    """
    if not has_request_context():
        return None, None
    user = _asked_for()
    if isinstance(user, User):
        if identity := inspect(user).identity:
            return identity[0], vars(user).get("is_admin")
    elif user is not None:
        return None, None  # the cookie's session was looked up, and is over
    # The user is not loaded yet, or was deleted meanwhile. The session, once there is one, still says who it is:
    # Flask-Login keeps User.get_id's text there.
    current_session = _current_session()
    return _id_in(current_session.get("_user_id") if current_session else None), None


def loaded_user() -> User | None:
    """Return the user whom Flask-Login has loaded in this request, None if it has not been asked or found none."""
    user = _asked_for()
    return user if isinstance(user, User) else None


def _asked_for() -> object | None:
    """Return what Flask-Login has found in this request, a user or its anonymous one; None if it has not been asked.

    Flask-Login has no public way to look without loading, so this function, and no other, reads its attribute of `g`.
    """
    return cast(object | None, _current_g().get("_login_user"))


def admin_required() -> ResponseReturnValue | None:
    """Return None for an admin, a redirect to the login page for a visitor; aborts with 403 for any other user.

    Where JSON is wanted, a visitor gets 401 instead of the redirect.
    """
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


def load_user(text: str) -> User | None:
    """Return the user whom the text in the session names, None if the session is over."""
    user_id = _id_in(text)
    return None if user_id is None else sessions.find_user(user_id, text)


def keep_out_of_caches(response: Response) -> Response:
    """Keep all that a logged-in visitor sees out of caches, unless the view has set Cache-Control itself."""
    if loaded_user() is not None:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _id_in(text: str | None) -> int | None:
    digits = (text or "").partition(".")[0]
    return int(digits) if digits.isdecimal() else None


login_manager.user_loader(load_user)
login_manager.unauthorized_handler(send_to_login)
