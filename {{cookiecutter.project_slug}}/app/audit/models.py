"""The trail's table, in the application's own database: it must commit and roll back with the data."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import BigId, JSONText, Model, UTCDateTime, exact_text


class AuditEntry(Model):
    """One change of one object: who, when, and for every field that changed the value before and after."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    #: The request's id; outside of requests ``job:<name>``, ``cli:<command>`` or ``system``.
    request_id: Mapped[str | None] = mapped_column(exact_text(128))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    ip: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(8))
    model: Mapped[str] = mapped_column(exact_text(100))
    object_id: Mapped[str] = mapped_column(exact_text(255))
    #: ``{field: [old, new]}``; for a many-to-many relationship, the members that left and those that came.
    changes: Mapped[dict[str, list[Any]]] = mapped_column(JSONText)

    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "model", "object_id", "id"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "request_id"),
        # Without AUTOINCREMENT SQLite gives a pruned entry's id to a new entry.
        {"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},
    )
