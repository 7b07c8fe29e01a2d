"""The log: rows, problems and what was decided about them, releases, and counts by the hour and by the day.

Revision ID: 0002_log
Revises: 0001_users
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from app.database import UTCDateTime

revision = "0002_log"
down_revision = "0001_users"
branch_labels = None
depends_on = None

long_text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def key(length: int) -> sa.String:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass


def upgrade_log() -> None:
    op.create_table(
        "log_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", key(64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("logger", key(200), nullable=False),
        sa.Column("message", long_text, nullable=False),
        sa.Column("exception", sa.String(500), nullable=True),
        sa.Column("exception_text", long_text, nullable=True),
        sa.Column("trace", long_text, nullable=True),
        sa.Column("frames", long_text, nullable=True),
        sa.Column("fingerprint", key(40), nullable=False),
        sa.Column("request_id", key(128), nullable=True),
        sa.Column("method", sa.String(32), nullable=True),
        sa.Column("path", long_text, nullable=True),
        sa.Column("query", long_text, nullable=True),
        sa.Column("user_agent", long_text, nullable=True),
        sa.Column("endpoint", sa.String(255), nullable=True),
        sa.Column("ip", sa.String(64), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("is_admin", sa.Boolean(), nullable=True),
        sa.Column("host", sa.String(255), nullable=True),
        sa.Column("pid", sa.BigInteger(), nullable=True),
        sa.Column("thread", sa.String(255), nullable=True),
        sa.Column("source", sa.String(255), nullable=True),
        sa.Column("extra", long_text, nullable=True),
        sa.Column("release", key(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_entry")),
        sa.UniqueConstraint("event_id", name=op.f("uq_log_entry_event_id")),
        mysql_charset="utf8mb4",
        sqlite_autoincrement=True,
    )
    for columns in (
        ["created_at", "id"],
        ["level", "created_at", "id"],
        ["logger", "created_at"],
        ["fingerprint", "created_at"],
        ["user_id", "created_at", "id"],
        ["request_id"],
    ):
        op.create_index(op.f(f"ix_log_entry_{'_'.join(columns)}"), "log_entry", columns)
    op.create_table(
        "log_problem",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("fingerprint", key(40), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("title", long_text, nullable=False),
        sa.Column("place", sa.String(500), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.Column("first_seen", UTCDateTime(), nullable=False),
        sa.Column("last_seen", UTCDateTime(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("came_back_at", UTCDateTime(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("resolved_at", UTCDateTime(), nullable=True),
        sa.Column("in_next_deploy", sa.Boolean(), nullable=False),
        sa.Column("muted_until", UTCDateTime(), nullable=True),
        sa.Column("muted_until_count", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_problem")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_log_problem_fingerprint")),
        mysql_charset="utf8mb4",
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_log_problem_status_last_seen_id"), "log_problem", ["status", "last_seen", "id"])
    op.create_index(op.f("ix_log_problem_status_level"), "log_problem", ["status", "level"])
    once = ["status", "count", "decided_at", "level", "first_seen"]
    op.create_index("ix_log_problem_seen_once", "log_problem", once)
    op.create_table(
        "log_problem_user",
        sa.Column("fingerprint", key(40), nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "user_id", name=op.f("pk_log_problem_user")),
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "log_decision",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("fingerprint", key(40), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("detail", long_text, nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("account", sa.String(255), nullable=True),
        sa.Column("before", long_text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_decision")),
        mysql_charset="utf8mb4",
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_log_decision_fingerprint_id"), "log_decision", ["fingerprint", "id"])
    op.create_table(
        "log_release",
        sa.Column("release", key(64), nullable=False),
        sa.Column("first_seen", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("release", name=op.f("pk_log_release")),
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "log_hour",
        sa.Column("hour", UTCDateTime(), nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("logger", key(200), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("without_row", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("hour", "level", "logger", name=op.f("pk_log_hour")),
        sqlite_with_rowid=False,
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "log_day",
        sa.Column("day", UTCDateTime(), nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("logger", key(200), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("without_row", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("day", "level", "logger", name=op.f("pk_log_day")),
        sqlite_with_rowid=False,
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "log_problem_hour",
        sa.Column("fingerprint", key(40), nullable=False),
        sa.Column("hour", UTCDateTime(), nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("logger", key(200), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("without_row", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "hour", "level", "logger", name=op.f("pk_log_problem_hour")),
        sqlite_with_rowid=False,
        mysql_charset="utf8mb4",
    )
    op.create_index(op.f("ix_log_problem_hour_hour_fingerprint"), "log_problem_hour", ["hour", "fingerprint"])
    op.create_table(
        "log_problem_day",
        sa.Column("fingerprint", key(40), nullable=False),
        sa.Column("day", UTCDateTime(), nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("logger", key(200), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("without_row", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "day", "level", "logger", name=op.f("pk_log_problem_day")),
        sqlite_with_rowid=False,
        mysql_charset="utf8mb4",
    )
    op.create_index(op.f("ix_log_problem_day_day_fingerprint"), "log_problem_day", ["day", "fingerprint"])
    op.create_table(
        "log_position",
        sa.Column("journal", key(32), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("written_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("journal", name=op.f("pk_log_position")),
        mysql_charset="utf8mb4",
    )


def downgrade_log() -> None:
    op.drop_table("log_position")
    op.drop_table("log_problem_day")
    op.drop_table("log_problem_hour")
    op.drop_table("log_day")
    op.drop_table("log_hour")
    op.drop_table("log_release")
    op.drop_table("log_decision")
    op.drop_table("log_problem_user")
    op.drop_table("log_problem")
    op.drop_table("log_entry")
