"""The log's tables, all on the bind ``log``: rows, problems, counts by the hour, and places in journals."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import BigId, JSONText, LongText, Model, UTCDateTime, exact_text

OPEN, RESOLVED, MUTED = "open", "resolved", "muted"


class LogEntry(Model):
    """One logged record."""

    __tablename__ = "log_entry"
    __bind_key__ = "log"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[str] = mapped_column(exact_text(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    level: Mapped[int] = mapped_column(SmallInteger)
    logger: Mapped[str] = mapped_column(exact_text(200))
    message: Mapped[str] = mapped_column(LongText)
    exception: Mapped[str | None] = mapped_column(String(500))
    trace: Mapped[str | None] = mapped_column(LongText)
    frames: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONText)
    fingerprint: Mapped[str] = mapped_column(exact_text(40))
    request_id: Mapped[str | None] = mapped_column(exact_text(128))
    method: Mapped[str | None] = mapped_column(String(32))
    path: Mapped[str | None] = mapped_column(LongText)
    endpoint: Mapped[str | None] = mapped_column(String(255))
    ip: Mapped[str | None] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    is_admin: Mapped[bool | None]
    host: Mapped[str | None] = mapped_column(String(255))
    pid: Mapped[int | None] = mapped_column(BigInteger)
    thread: Mapped[str | None] = mapped_column(String(255))
    source: Mapped[str | None] = mapped_column(String(255))
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSONText)

    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "level", "created_at", "id"),
        Index(None, "logger", "created_at"),
        Index(None, "fingerprint", "created_at"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "request_id"),
        # Without it SQLite gives a pruned row's id to a new one, and permalinks lie.
        {"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},
    )


class LogProblem(Model):
    """All records of one fingerprint: how many since the first, when, and what was decided about them."""

    __tablename__ = "log_problem"
    __bind_key__ = "log"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(exact_text(40), unique=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    title: Mapped[str] = mapped_column(LongText)
    count: Mapped[int] = mapped_column(BigInteger)
    first_seen: Mapped[datetime] = mapped_column(UTCDateTime)
    last_seen: Mapped[datetime] = mapped_column(UTCDateTime)
    status: Mapped[str] = mapped_column(String(16), default=OPEN)

    __table_args__ = (
        Index(None, "status", "last_seen", "id"),
        # Without it SQLite gives the number of a problem that is gone to a new one, and links lie.
        {"sqlite_autoincrement": True, "mysql_charset": "utf8mb4"},
    )


class LogHour(Model):
    """How many records of a level a logger made in one hour (its start, UTC), and how many of them have no row."""

    __tablename__ = "log_hour"
    __bind_key__ = "log"

    hour: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    logger: Mapped[str] = mapped_column(exact_text(200), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    without_row: Mapped[int] = mapped_column(BigInteger, server_default="0")


class LogProblemHour(Model):
    """How many records of a problem were made in one hour (its start, UTC), and how many of them have no row."""

    __tablename__ = "log_problem_hour"
    __bind_key__ = "log"

    fingerprint: Mapped[str] = mapped_column(exact_text(40), primary_key=True)
    hour: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    without_row: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = (Index(None, "hour"), {"mysql_charset": "utf8mb4"})


class LogPosition(Model):
    """The last record of a journal in a batch that was not stored in full, so that a replay counts none again."""

    __tablename__ = "log_position"
    __bind_key__ = "log"

    journal: Mapped[str] = mapped_column(exact_text(32), primary_key=True)
    segment: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger)
