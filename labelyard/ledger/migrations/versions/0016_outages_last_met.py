"""When an outage was last met: one that nobody meets any more ends."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import UtcTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; present outages count as met now, so that only those end that are not met again."""
    op.add_column("outage", sa.Column("seen_at", UtcTime(), nullable=True))
    outage = sa.table("outage", sa.column("seen_at", UtcTime()))
    op.execute(sa.update(outage).values(seen_at=datetime.now(UTC)))
    with op.batch_alter_table("outage") as table:
        table.alter_column("seen_at", existing_type=UtcTime(), nullable=False)


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("outage", "seen_at")
