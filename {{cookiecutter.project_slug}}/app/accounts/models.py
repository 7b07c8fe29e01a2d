"""Who may log in, and where they are logged in."""

import hashlib
import unicodedata
from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from app.database import Model, UTCDateTime, exact_text, utcnow

from .passwords import hash_password, matches


def normal_name(text: str) -> str:
    """Return the one spelling of a user name: "Ada", " ada " and "ADA" are the same person."""
    # The second call is needed because NFKC may shorten a small letter but not its capital.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower()).strip()


class User(UserMixin, Model):
    __tablename__ = "users"
    # Without AUTOINCREMENT SQLite gives a deleted account's id to the next account, to which log and trail would then
    # ascribe what the deleted one did.
    __table_args__ = ({"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},)
    __audit__ = True
    __audit_masked__ = ("password_hash",)
    # A column that every visit changes, such as last_seen, would fill the trail:
    # __audit_excluded__ = ("last_seen",)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(exact_text(64), unique=True)
    email: Mapped[str | None] = mapped_column(exact_text(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    is_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)

    sessions: Mapped[list["UserSession"]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True
    )

    def set_password(self, password: str) -> None:
        """Set a new password, which ends all sessions of the account."""
        self.password_hash = hash_password(password)
        self.sessions = []

    def check_password(self, password: str) -> bool:
        return matches(self.password_hash, password)

    def get_id(self) -> str:
        """Return the text that the cookie keeps. It changes with the password, which ends sessions without a row."""
        stamp = hashlib.sha256(self.password_hash.encode()).hexdigest()[:16]
        return f"{self.id}.{stamp}"

    @validates("username")
    def _normal_username(self, _key: str, name: str) -> str:
        return normal_name(name)

    @validates("email")
    def _normal_email(self, _key: str, email: str | None) -> str | None:
        return (email or "").strip().lower() or None


class UserSession(Model):
    """One login that lasts; deleting the row logs that browser out."""

    __tablename__ = "user_sessions"
    __table_args__ = ({"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},)
    # The trail tells who logged in and out.
    __audit__ = True
    # An entry of the trail has the address in a column of its own.
    __audit_excluded__ = ("token_hash", "ip", "browser")

    id: Mapped[int] = mapped_column(primary_key=True)
    #: The SHA-256 of the token in the cookie: people who read the table cannot log in with it.
    token_hash: Mapped[str] = mapped_column(exact_text(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow, index=True)
    ip: Mapped[str | None] = mapped_column(String(64))
    #: The browser's own name for itself.
    browser: Mapped[str] = mapped_column(String(255), default="")

    user: Mapped[User] = relationship(back_populates="sessions")
