"""The models of profiles, followers and messages."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Numeric, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.database import Model, utcnow


class Mood(Enum):
    CALM = "calm"
    LOUD = "loud"


followers = Table(
    "followers",
    Model.metadata,
    Column("follower_id", ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True),
    Column("followed_id", ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True, index=True),
    mysql_charset="utf8mb4",
)


class Profile(Model):
    __tablename__ = "profiles"
    __audit__ = True
    __audit_excluded__ = ("last_seen",)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    about: Mapped[str] = mapped_column(String(200), default="")
    language: Mapped[str] = mapped_column(String(2), default="en")
    last_seen: Mapped[datetime] = mapped_column(default=utcnow)
    picture: Mapped[str | None] = mapped_column(String(80))
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    user: Mapped[User] = relationship()
    following: Mapped[list["Profile"]] = relationship(
        secondary=followers,
        primaryjoin=lambda: followers.c.follower_id == Profile.id,
        secondaryjoin=lambda: followers.c.followed_id == Profile.id,
        back_populates="followed_by",
    )
    followed_by: Mapped[list["Profile"]] = relationship(
        secondary=followers,
        primaryjoin=lambda: followers.c.followed_id == Profile.id,
        secondaryjoin=lambda: followers.c.follower_id == Profile.id,
        back_populates="following",
    )


class Message(Model):
    __tablename__ = "messages"
    __audit__ = True

    id: Mapped[int] = mapped_column(primary_key=True)
    profile_id: Mapped[int] = mapped_column(ForeignKey("profiles.id", ondelete="CASCADE"), index=True)
    text: Mapped[str] = mapped_column(String(140))
    mood: Mapped[Mood] = mapped_column(default=Mood.CALM)
    tip: Mapped[Decimal] = mapped_column(Numeric(8, 2), default=Decimal(0))
    created_at: Mapped[datetime] = mapped_column(default=utcnow, index=True)

    profile: Mapped[Profile] = relationship()
