"""Datasets can be retired."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import labelyard.ledger.tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    # Not in a batch, which on SQLite would make the table anew under its foreign keys.
    op.add_column("dataset", sa.Column("retired_at", labelyard.ledger.tables.UtcTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("dataset", "retired_at")
