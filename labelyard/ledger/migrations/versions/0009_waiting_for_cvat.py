"""A task remembers what its server last said of its upload, and a batch how many tasks it had before a retry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import labelyard.ledger.column_types

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. A task whose upload is under way is asked about as if for the first time."""
    time = labelyard.ledger.column_types.UtcTime()
    op.add_column("task", sa.Column("waiting_since", time, nullable=True))
    op.add_column("task", sa.Column("progress", labelyard.ledger.column_types.SafeText(), nullable=True))
    op.add_column("task", sa.Column("progress_at", time, nullable=True))
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("batch", sa.Column("tasks_before_retry", number, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("batch", "tasks_before_retry")
    for column in ("progress_at", "progress", "waiting_since"):
        op.drop_column("task", column)
