"""Models for the tests of the trail, and functions that compare a trail with its tables."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Column, ForeignKey, LargeBinary, MetaData, Numeric, String, Table, Uuid, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from app.audit.models import AuditEntry
from app.audit.values import to_json
from app.database import UTCDateTime

SECRET = "do-not-tell"


class Base(DeclarativeBase):
    """A base of these tests' own: in the application's, `flask db check` would find these tables."""

    metadata = MetaData()


class Binding(enum.Enum):
    PAPER = 1
    CLOTH = 2


book_tags = Table(
    "book_tags",
    Base.metadata,
    Column("book_id", ForeignKey("books.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)


class Shelf(Base):
    __tablename__ = "shelves"

    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list["Book"]] = relationship(cascade="all, delete-orphan", back_populates="shelf")


class Tag(Base):
    __tablename__ = "tags"
    __audit__ = True

    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list["Book"]] = relationship(secondary=book_tags, back_populates="tags")


class Book(Base):
    __tablename__ = "books"
    __audit__ = True
    __audit_masked__ = ("secret",)
    __audit_excluded__ = ("views",)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    printed: Mapped[datetime | None] = mapped_column(UTCDateTime)
    binding: Mapped[Binding | None]
    cover: Mapped[bytes | None] = mapped_column(LargeBinary)
    code: Mapped[UUID | None] = mapped_column(Uuid)
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    language: Mapped[str] = mapped_column(String(2), server_default="en")
    touched: Mapped[int] = mapped_column(default=0, onupdate=1)
    secret: Mapped[str | None] = mapped_column(String(50))
    views: Mapped[int] = mapped_column(default=0)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelves.id"))

    shelf: Mapped[Shelf | None] = relationship(back_populates="books")
    tags: Mapped[list[Tag]] = relationship(secondary=book_tags, back_populates="books")


State = tuple[dict[str, dict[str, Any]], set[tuple[int, int]]]


def present(session: Session) -> State:
    """Return the books by primary key, without values that are masked, excluded or null, and which tag each has."""
    columns = [column for column in Book.__table__.columns if column.key not in {"secret", "views"}]
    books = {}
    for row in session.execute(select(*columns)).mappings():
        books[str(row["id"])] = {name: to_json(value) for name, value in row.items() if value is not None}
    return books, {(book, tag) for book, tag in session.execute(select(book_tags))}


def rebuilt(session: Session) -> State:
    """Return the same, rebuilt from the trail alone; fail if an entry's old value differs from the value before it."""
    books: dict[str, dict[str, Any]] = {}
    tagged: set[tuple[int, int]] = set()
    for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id)):
        fields, number = dict(entry.changes), int(entry.object_id)
        left, joined = fields.pop("tags", ([], []))
        tagged = tagged - {(number, tag) for tag in left} | {(number, tag) for tag in joined}
        left, joined = fields.pop("books", ([], []))
        tagged = tagged - {(book, number) for book in left} | {(book, number) for book in joined}
        if entry.model == "Book":
            follow(books, entry, fields)
    return books, tagged


def follow(books: dict[str, dict[str, Any]], entry: AuditEntry, changes: dict[str, list[Any]]) -> None:
    assert (entry.action == "insert") == (entry.object_id not in books)
    book = books.pop(entry.object_id, {})
    masked = changes.pop("secret", [None, None])
    assert set(masked) <= {"[masked]", None}
    assert book | {field: old for field, (old, _new) in changes.items() if old is not None} == book
    after = book | {field: new for field, (_old, new) in changes.items()}
    after = {field: value for field, value in after.items() if value is not None}
    if entry.action == "delete":
        assert after == {}
    else:
        books[entry.object_id] = after
