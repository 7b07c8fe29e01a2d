"""Log in, log out, and the very first account."""

# Flask-WTF has no types, and the forms inherit from it.
# mypy: allow-untyped-calls

import logging

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_user, logout_user

from .access import current_user, keep_out_of_caches
from .first_admin import may_create_first_admin
from .forms import FirstAdminForm, LoginForm
from .models import User
from .users import AccountError, any_account, authenticate, create_user

logger = logging.getLogger(__name__)
bp = Blueprint("accounts", __name__, template_folder="templates", cli_group=None)
bp.after_app_request(keep_out_of_caches)


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(next_page())
    if not any_account():
        return first_account()
    form = LoginForm()
    if form.validate_on_submit():
        user = authenticate(form.username.data or "", form.password.data or "")
        if user is not None:
            return start_session(user)
        logger.info("A login failed")
        form.form_errors.append("Wrong user name or password.")
    return render_template("accounts/login.html", form=form)


def first_account() -> ResponseReturnValue:
    if not may_create_first_admin():
        return render_template("accounts/no_account.html")
    form = FirstAdminForm()
    if form.validate_on_submit():
        try:
            user = create_user(form.username.data or "", form.password.data or "", is_admin=True)
        except AccountError as refusal:
            form.form_errors.append(str(refusal))
        else:
            return start_session(user)
    return render_template("accounts/first_admin.html", form=form)


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    logout_user()
    flash("You are logged out.")
    return redirect(url_for("main.index"))


def start_session(user: User) -> ResponseReturnValue:
    session.clear()  # nothing put there before the login may live on after it
    login_user(user)
    return redirect(next_page())


def next_page() -> str:
    """Where the visitor was going, if that is a page of this site, else the index."""
    target = request.args.get("next", "")
    local = target.startswith("/") and not target.startswith("//")
    # Browsers read a backslash as a slash and skip control characters: /\evil.com is //evil.com.
    plain = target.isprintable() and "\\" not in target
    return target if local and plain else url_for("main.index")
