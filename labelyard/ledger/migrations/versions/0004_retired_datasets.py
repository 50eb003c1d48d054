"""Datasets can be retired."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Upgrade the schema."""
    # Not in a batch: on SQLite that would copy the table while other tables refer to it.
    op.add_column("dataset", sa.Column("retired_at", UtcTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Undo the upgrade."""
    op.drop_column("dataset", "retired_at")
