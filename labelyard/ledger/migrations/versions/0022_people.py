"""Who is away, which jobs wait for somebody or have begun, what a job needs, and whose work went to somebody else."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText, UtcTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add the table and the columns; no job of an older labelyard waits."""
    op.create_table(
        "absence",
        sa.Column("person", SafeText(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("until", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("person", name="pk_absence"),
    )
    op.add_column("job", sa.Column("waits_since", UtcTime(), nullable=True))
    op.add_column("job", sa.Column("skills", SafeText(), nullable=True))
    op.add_column("job", sa.Column("begun_at", UtcTime(), nullable=True))
    op.add_column("job", sa.Column("left_by", SafeText(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("job", "left_by")
    op.drop_column("job", "begun_at")
    op.drop_column("job", "skills")
    op.drop_column("job", "waits_since")
    op.drop_table("absence")
