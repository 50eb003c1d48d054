"""Dead letters can be discarded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Upgrade the schema."""
    with op.batch_alter_table("dead_letter", schema=None) as batch_op:
        batch_op.add_column(sa.Column("discarded_at", UtcTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Undo the upgrade."""
    with op.batch_alter_table("dead_letter", schema=None) as batch_op:
        batch_op.drop_column("discarded_at")
