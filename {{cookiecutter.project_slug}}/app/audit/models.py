"""The trail's table, in the application's own database: it must commit and roll back with the data."""

import json
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, Index, Integer, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from app.database import Model, UTCDateTime

# SQLite numbers rows by itself only in a column that is spelled INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")


def key(length: int) -> String:
    """Text that is compared byte by byte on every database: MySQL's default would take ``A`` and ``a`` for one."""
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


class JSONText(TypeDecorator[Any]):
    """JSON in a text column, which every database compares alike and migrates without surprises."""

    # MySQL's TEXT stops at 64 KB.
    impl = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # a number of more than 64 bits, half of a surrogate pair
            return json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class AuditEntry(Model):
    """One change of one object: who, when, and for every field that changed the value before and after."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    #: Of the request; outside of one ``cli:<command>`` or ``system``.
    request_id: Mapped[str | None] = mapped_column(key(128))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    ip: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(8))
    model: Mapped[str] = mapped_column(key(100))
    object_id: Mapped[str] = mapped_column(key(255))
    #: ``{field: [old, new]}``; of a many-to-many relationship the members that left, and those that came.
    changes: Mapped[dict[str, list[Any]]] = mapped_column(JSONText)

    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "model", "object_id", "id"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "request_id"),
        # Without it SQLite gives a pruned entry's id to a new one.
        {"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},
    )
