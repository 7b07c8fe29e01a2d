"""Who is logged in where: a row for each login, found by a random token that the cookie carries.

A signed cookie without a token is valid, too: Flask-Login's test client makes such cookies.
"""

import hashlib
import secrets
import time
from collections.abc import Sequence
from datetime import datetime

from flask import current_app, request, session
from flask_login import login_user
from sqlalchemy import ColumnElement, delete, select

from app.database import db, utcnow

from .models import User, UserSession

# Keys of the cookie; the moments are seconds since 1970.
TOKEN, BEGAN, SEEN = "_token", "_began", "_seen"

_table = UserSession.metadata.tables[UserSession.__tablename__]


def begin(user: User) -> None:
    """Log the user in, under a new token; commits."""
    session.clear()  # nothing from before the login may stay in the session
    session.permanent = True
    session[TOKEN] = secrets.token_urlsafe(32)
    # Without this, a copy of this first cookie would count as new whenever somebody uses it.
    session[BEGAN] = int(time.time())
    if current_app.config["SESSION_IDLE_MINUTES"]:
        session[SEEN] = session[BEGAN]
    login_user(user)
    browser = request.user_agent.string[:255]
    db.session.add(
        UserSession(
            user=user,
            token_hash=_digest(session[TOKEN]),
            ip=(request.remote_addr or "")[:64] or None,
            browser="".join(character for character in browser if character.isprintable()),
        )
    )
    # The table is used, not the model: otherwise the trail would say that this user ended the sessions of others.
    db.session.execute(delete(_table).where(_table.c.created_at <= _oldest()))
    db.session.commit()


def end(user: User, session_id: int) -> None:
    """End one of the user's sessions; commits."""
    _delete(UserSession.id == session_id, user)


def end_current(user: User) -> None:
    """End the session of this request; commits."""
    _delete(UserSession.token_hash == _digest(session.get(TOKEN, "")), user)


def end_all(user: User) -> None:
    """End every session of the user; commits."""
    _delete(UserSession.user_id == user.id, user)


def of(user: User) -> Sequence[UserSession]:
    """Return the user's sessions, the newest first."""
    own = select(UserSession).where(UserSession.user_id == user.id, UserSession.created_at > _oldest())
    return db.session.scalars(own.order_by(UserSession.id.desc())).all()


def is_current(row: UserSession) -> bool:
    return row.token_hash == _digest(session.get(TOKEN, ""))


def find_user(user_id: int, text: str) -> User | None:
    """Return the user of the cookie, None if its session is over.

    :param text: what :meth:`User.get_id` returned when the session began
    """
    if _is_too_old():
        return None
    if token := session.get(TOKEN):
        alive = UserSession.token_hash == _digest(token), UserSession.created_at > _oldest()
        return db.session.scalar(select(User).join(User.sessions).where(User.id == user_id, *alive))
    user = db.session.get(User, user_id)
    return user if user is not None and user.get_id() == text else None


def _is_too_old() -> bool:
    """Return whether too much time has passed since the login, or since the last request.

    A time that is missing in the cookie counts as now.
    """
    now = int(time.time())
    idle = current_app.config["SESSION_IDLE_MINUTES"] * 60
    if now - session.setdefault(BEGAN, now) > current_app.permanent_session_lifetime.total_seconds():
        return True
    if idle and now - session.get(SEEN, now) > idle:
        return True
    if idle:
        session[SEEN] = now
    return False


def _oldest() -> datetime:
    return utcnow() - current_app.permanent_session_lifetime


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _delete(condition: ColumnElement[bool], user: User) -> None:
    db.session.execute(delete(UserSession).where(condition, UserSession.user_id == user.id))
    db.session.commit()
