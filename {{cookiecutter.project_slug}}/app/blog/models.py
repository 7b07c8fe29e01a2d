"""The posts that people write."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.database import Model, UTCDateTime, exact_text, utcnow


class Post(Model):
    __tablename__ = "posts"
    __audit__ = True
    __audit_excluded__ = ("form_id",)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)

    #: The id of the form that made the post: a form that is sent twice makes one post.
    form_id: Mapped[str | None] = mapped_column(exact_text(32))

    author: Mapped[User] = relationship()

    __table_args__ = (
        UniqueConstraint("author_id", "form_id"),
        # Without AUTOINCREMENT SQLite gives a deleted post's id to the next post, to which old links would lead.
        {"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},
    )
