"""Find, create and change accounts; the pages and the commands share these functions."""

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app.database import db

from .models import User, UserSession, normal_name
from .passwords import hash_password, is_outdated, matches, weakness

MAX_NAME = 64
MAX_EMAIL = 254


class AccountError(ValueError):
    """A refusal, as a sentence for the person who asked."""


def find_user(username: str) -> User | None:
    if len(username) > MAX_NAME:
        return None  # The time to normalise a text may grow with the square of its length.
    return db.session.scalar(select(User).where(User.username == normal_name(username)))


def any_account() -> bool:
    return db.session.scalar(select(User.id).limit(1)) is not None


def authenticate(username: str, password: str) -> User | None:
    """Return the user of that name and password, or None. Both answers take the same time.

    The account is locked until the caller's transaction ends, so that its password is still this one when a session
    begins. If new passwords are hashed by another method today, this transaction also replaces the hash.
    """
    user = find_user(username)
    if user is None:
        hash_password(password)  # this takes as long as checking one
        return None
    checked = user.password_hash
    if not matches(checked, password):
        return None
    renewed = hash_password(password) if is_outdated(checked) else checked
    locked = select(User).where(User.id == user.id).with_for_update().execution_options(populate_existing=True)
    user = db.session.scalar(locked)
    if user is None or user.password_hash != checked:
        db.session.rollback()  # the password was changed, or the account deleted, while it was checked
        return None
    user.password_hash = renewed
    return user


def create_user(username: str, password: str, email: str | None = None, is_admin: bool = False) -> User:
    """Save a new account. Raises AccountError if the name, the email or the password is refused."""
    user = User(username=free_name(username), email=_good_email(email), is_admin=is_admin)
    user.set_password(_good_password(password, user.username))
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        raise AccountError("That user name or email address is already taken.") from None
    return user


def free_name(username: str) -> str:
    """Return the name as it is stored. Raises AccountError if it is not a valid name or is taken."""
    name = normal_name(username[: MAX_NAME + 1])
    if not name or len(username) > MAX_NAME or len(name) > MAX_NAME or not name.isprintable() or " " in name:
        raise AccountError(f"A user name has 1 to {MAX_NAME} visible characters and no spaces.")
    if find_user(name):
        raise AccountError(f"The user name {name} is already taken.")
    return name


def change_password(user: User, password: str) -> None:
    """Save a new password and end the user's sessions. Raises AccountError if it is too weak."""
    good = _good_password(password, user.username)
    db.session.refresh(user, with_for_update=True)  # waits for logins that are under way
    user.set_password(good)
    db.session.execute(delete(UserSession).where(UserSession.user_id == user.id))
    db.session.commit()


def _good_email(email: str | None) -> str | None:
    if email and ("@" not in email or len(email) > MAX_EMAIL or not email.isprintable()):
        raise AccountError(f"{email!r} is not an email address.")
    return email


def _good_password(password: str, username: str) -> str:
    if reason := weakness(password, username):
        raise AccountError(reason)
    return password
