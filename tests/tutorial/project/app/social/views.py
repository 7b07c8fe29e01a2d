"""The pages on which people register, follow, write and search."""

# Flask-WTF and Flask-Babel have no types.
# mypy: allow-untyped-calls

import secrets
from pathlib import Path

from flask import Blueprint, current_app, flash, redirect, render_template, request, send_from_directory, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import Babel  # type: ignore[import-untyped]  # it has no types
from flask_babel import gettext as _
from flask_login import login_user
from sqlalchemy import Select

from app.accounts import current_user, login_required
from app.accounts.users import AccountError, change_password, create_user
from app.database import db, utcnow
from app.security import body_limit

from .forms import ForgottenForm, MessageForm, NewPasswordForm, ProfileForm, RegistrationForm
from .models import Message
from .passwords import send_link, user_of_link
from .people import messages, new_token, profile_of, profile_or_404, timeline

bp = Blueprint("social", __name__, template_folder="templates", cli_group=None)
PAGE_SIZE = 3


def language() -> str:
    """Return the language that a member has chosen, or else the one that the browser asks for."""
    if current_user.is_authenticated:
        return profile_of(current_user).language
    return request.accept_languages.best_match(["en", "de"]) or "en"


@bp.record_once
def use_babel(state: BlueprintSetupState) -> None:
    Babel(state.app, locale_selector=language)


@bp.before_app_request
def remember_last_seen() -> None:
    if current_user.is_authenticated:
        profile_of(current_user).last_seen = utcnow()
        db.session.commit()


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    form = RegistrationForm()
    if form.validate_on_submit():
        try:
            user = create_user(form.username.data or "", form.password.data or "", form.email.data)
        except AccountError as refusal:
            form.form_errors.append(str(refusal))
        else:
            login_user(user)
            flash(_("Welcome!"), "success")
            return redirect(url_for(".home"))
    return render_template("social/form.html", form=form, title=_("Register"))


@bp.route("/home", methods=["GET", "POST"])
@login_required
def home() -> ResponseReturnValue:
    form = MessageForm()
    if form.validate_on_submit():
        message = Message(profile_id=profile_of(current_user).id)
        form.populate_obj(message)
        db.session.add(message)
        db.session.commit()
        return redirect(url_for(".home"))
    return show(timeline(profile_of(current_user)), title=_("Home"), form=form)


@bp.get("/explore")
def explore() -> ResponseReturnValue:
    return show(messages(request.args.get("q", "")[:100]), title=_("Explore"))


@bp.get("/user/<name>")
def user(name: str) -> ResponseReturnValue:
    profile = profile_or_404(name)
    return show(messages(profile.user.username), title=profile.user.username, profile=profile)


def show(query: Select[Message], **about: object) -> ResponseReturnValue:
    page = db.paginate(query, per_page=PAGE_SIZE)
    return render_template("social/timeline.html", messages=page, **about)


@bp.post("/user/<name>/follow")
@login_required
def follow(name: str) -> ResponseReturnValue:
    profile, mine = profile_or_404(name), profile_of(current_user)
    if profile in mine.following:
        mine.following.remove(profile)
    else:
        mine.following.append(profile)
    db.session.commit()
    return redirect(url_for(".user", name=name))


@bp.route("/profile", methods=["GET", "POST"])
@login_required
@body_limit(3 * 1024 * 1024)
def edit_profile() -> ResponseReturnValue:
    profile = profile_of(current_user)
    form = ProfileForm(about=profile.about, language=profile.language, quiet=profile.settings.get("quiet", False))
    if form.validate_on_submit():
        profile.about, profile.language = form.about.data or "", form.language.data
        profile.settings = {"quiet": form.quiet.data}
        if form.picture.data:
            profile.picture = f"{secrets.token_hex(8)}.png"
            form.picture.data.save(pictures() / profile.picture)
        db.session.commit()
        return redirect(url_for(".user", name=current_user.username))
    return render_template("social/form.html", form=form, title=_("Profile"))


@bp.get("/pictures/<name>")
def picture(name: str) -> ResponseReturnValue:
    return send_from_directory(pictures(), name)


def pictures() -> Path:
    folder = Path(current_app.instance_path, "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@bp.post("/token")
@login_required
def token() -> ResponseReturnValue:
    return {"token": new_token(profile_of(current_user))}


@bp.route("/forgotten", methods=["GET", "POST"])
def forgotten() -> ResponseReturnValue:
    form = ForgottenForm()
    if form.validate_on_submit():
        send_link(form.email.data or "")
        flash(_("Look into your mail."))
        return redirect(url_for("accounts.login"))
    return render_template("social/form.html", form=form, title=_("Forgotten"))


@bp.route("/forgotten/<token>", methods=["GET", "POST"])
def new_password(token: str) -> ResponseReturnValue:
    user = user_of_link(token)
    if user is None:
        flash(_("This link is too old."), "error")
        return redirect(url_for(".forgotten"))
    form = NewPasswordForm()
    if form.validate_on_submit():
        try:
            change_password(user, form.password.data or "")
        except AccountError as refusal:
            form.form_errors.append(str(refusal))
        else:
            return redirect(url_for("accounts.login"))
    return render_template("social/form.html", form=form, title=_("New password"))
