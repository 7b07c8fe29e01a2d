"""The pages to log in and out, of the user's own account, and of the very first account."""

# Flask-WTF has no types, and the forms inherit from it.
# mypy: allow-untyped-calls

from flask import Blueprint, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from . import first_admin, sessions
from .access import current_user, keep_out_of_caches, login_required
from .forms import FirstAdminForm, LoginForm, PasswordForm
from .models import User
from .throttle import guess, limit_failures
from .users import AccountError, any_account, authenticate, change_password

LAST_ID = 2**31 - 1  # the largest INTEGER of every database

bp = Blueprint("accounts", __name__, template_folder="templates", cli_group=None)
bp.after_app_request(keep_out_of_caches)


@bp.route("/login", methods=["GET", "POST"])
@limit_failures
def login() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(next_page())
    if not any_account():
        return first_account()
    form = LoginForm()
    if form.validate_on_submit():
        user = guess(lambda: authenticate(form.username.data or "", form.password.data or ""))
        if user is not None:
            return start_session(user)
        form.form_errors.append("Wrong user name or password.")
    return render_template("accounts/login.html", form=form)


def first_account() -> ResponseReturnValue:
    if not first_admin.may_create(current_app):
        return render_template("accounts/no_account.html")
    form = FirstAdminForm()
    if form.validate_on_submit():
        try:
            user = first_admin.create(form.token.data or "", form.username.data or "", form.password.data or "")
        except AccountError as refusal:
            form.form_errors.append(str(refusal))
        else:
            return start_session(user)
    return render_template("accounts/first_admin.html", form=form)


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    if current_user.is_authenticated:
        sessions.end_current(current_user)
    session.clear()
    flash("You are logged out.")
    return redirect(url_for("main.index"))


@bp.get("/account")
@login_required
def account() -> ResponseReturnValue:
    """Show the user's own account, and where it is logged in."""
    rows = [(row, sessions.is_current(row)) for row in sessions.of(current_user)]
    return render_template("accounts/account.html", rows=rows)


@bp.post(f"/account/sessions/<int(max={LAST_ID}):session_id>/end")
@login_required
def end_session(session_id: int) -> ResponseReturnValue:
    sessions.end(current_user, session_id)
    flash("That browser is logged out.")
    return redirect(url_for(".account"))


@bp.post("/account/sessions/end")
@login_required
def end_all_sessions() -> ResponseReturnValue:
    sessions.end_all(current_user)
    session.clear()
    flash("You are logged out everywhere.")
    return redirect(url_for("main.index"))


@bp.route("/account/password", methods=["GET", "POST"])
@login_required
@limit_failures
def password() -> ResponseReturnValue:
    form = PasswordForm()
    if form.validate_on_submit():
        user = guess(lambda: authenticate(current_user.username, form.password.data or ""))
        if user is not None:
            try:
                change_password(user, form.new_password.data or "")
            except AccountError as refusal:
                form.form_errors.append(str(refusal))
            else:
                sessions.begin(user)
                flash("Your password is changed. Every other browser is logged out.")
                return redirect(url_for(".account"))
        else:
            form.form_errors.append("Wrong password.")
    return render_template("accounts/password.html", form=form)


def start_session(user: User) -> ResponseReturnValue:
    target = next_page()
    sessions.begin(user)
    return redirect(target)


def next_page() -> str:
    """Return the page that the visitor wanted, if it is one of this site, else the index."""
    target = request.args.get("next", "")
    local = target.startswith("/") and not target.startswith("//")
    # Browsers read a backslash as a slash and skip control characters: /\evil.com is //evil.com.
    plain = target.isprintable() and "\\" not in target
    return target if local and plain else url_for("main.index")
