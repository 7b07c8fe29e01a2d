"""The audit trail.

Revision ID: 0003_audit
Revises: 0002_log
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from app.database import UTCDateTime

revision = "0003_audit"
down_revision = "0002_log"
branch_labels = None
depends_on = None


def key(length: int) -> sa.String:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("request_id", key(128), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("ip", sa.String(64), nullable=True),
        sa.Column("action", sa.String(8), nullable=False),
        sa.Column("model", key(100), nullable=False),
        sa.Column("object_id", key(255), nullable=False),
        sa.Column("changes", sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
        mysql_charset="utf8mb4",
        sqlite_autoincrement=True,
    )
    for columns in (
        ["created_at", "id"],
        ["model", "object_id", "id"],
        ["user_id", "created_at", "id"],
        ["request_id"],
    ):
        op.create_index(op.f(f"ix_audit_entry_{'_'.join(columns)}"), "audit_entry", columns)


def downgrade() -> None:
    op.drop_table("audit_entry")
