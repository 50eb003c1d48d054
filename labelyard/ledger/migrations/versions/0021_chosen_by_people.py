"""Whom a person chose for ground truth, replicas and reviews, and which moves of them are not sent yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add the columns; nothing is known of earlier choices."""
    op.add_column("quality_job", sa.Column("manual", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("quality_job", sa.Column("replaced", SafeText(), nullable=True))
    op.add_column("review", sa.Column("chosen_reviewer", SafeText(), nullable=True))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("review", "chosen_reviewer")
    op.drop_column("quality_job", "replaced")
    op.drop_column("quality_job", "manual")
