"""Who may log in."""

import hashlib
import unicodedata
from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column, validates
from werkzeug.security import check_password_hash, generate_password_hash

from app.database import Model, UTCDateTime, utcnow


def normal_name(text: str) -> str:
    """The one spelling of a user name: "Ada", " ada " and "ADA" are the same person."""
    return unicodedata.normalize("NFKC", text).strip().lower()


class User(UserMixin, Model):
    __tablename__ = "users"
    __audit__ = True
    __audit_masked__ = ("password_hash",)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    is_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)

    def set_password(self, password: str) -> None:
        self.password_hash = generate_password_hash(password)

    def check_password(self, password: str) -> bool:
        return check_password_hash(self.password_hash, password)

    def get_id(self) -> str:
        """What the session remembers: a new password ends the sessions of the old one."""
        stamp = hashlib.sha256(self.password_hash.encode()).hexdigest()[:16]
        return f"{self.id}.{stamp}"

    @validates("username")
    def _normal_username(self, _key: str, name: str) -> str:
        return normal_name(name)

    @validates("email")
    def _normal_email(self, _key: str, email: str | None) -> str | None:
        return (email or "").strip().lower() or None
