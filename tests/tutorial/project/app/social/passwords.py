"""A link in a mail lets people replace a forgotten password."""

import smtplib
from email.message import EmailMessage

from flask import current_app, url_for
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import select

from app.accounts.models import User
from app.database import db

LINK_SECONDS = 600


def send_link(email: str) -> None:
    """Send a link to the account of that address, if there is one."""
    user = db.session.scalar(select(User).where(User.email == email.strip().lower()))
    if user is None:
        return
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Your password", "site@example.org", email
    mail.set_content(url_for("social.new_password", token=_serializer().dumps(user.get_id()), _external=True))
    with smtplib.SMTP(current_app.config["MAIL_HOST"], current_app.config["MAIL_PORT"], timeout=10) as server:
        server.send_message(mail)


def user_of_link(token: str) -> User | None:
    """Return the user to whom a link was sent, or None if it is too old, was used or is not ours."""
    try:
        identity = _serializer().loads(token, max_age=LINK_SECONDS)
    except BadData:
        return None
    user = db.session.get(User, int(identity.partition(".")[0]))
    return user if user is not None and user.get_id() == identity else None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="password")
