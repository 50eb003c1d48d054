"""Which watchers and workers run, on whatever host."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText, UtcTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Create the table; processes of this version fill it."""
    op.create_table(
        "running_process",
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("kind", SafeText(), nullable=False),
        sa.Column("version", SafeText(), nullable=False),
        sa.Column("prefect", SafeText(), nullable=True),
        sa.Column("clock_seconds", sa.Float(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_running_process"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("running_process")
