"""Problems beside batches, alerts and their channels, signs of life."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText, UtcTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "problem",
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("dataset", SafeText(), nullable=True),
        sa.Column("what", SafeText(), nullable=False),
        sa.Column("next_step", SafeText(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.Column("size", INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    op.create_table(
        "alert",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("key", SafeText(), nullable=False),
        sa.Column("channel", SafeText(), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("dataset", SafeText(), nullable=True),
        sa.Column("what", SafeText(), nullable=False),
        sa.Column("next_step", SafeText(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("sent", INTEGER, nullable=False),
        sa.Column("sent_at", UtcTime(), nullable=True),
        sa.Column("over_at", UtcTime(), nullable=True),
        sa.Column("leased_until", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", "channel", name="uq_alert_key_channel"),
    )
    op.create_table(
        "alert_channel",
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("failures", INTEGER, nullable=False),
        sa.Column("not_before", UtcTime(), nullable=True),
        sa.Column("error", SafeText(), nullable=True),
        sa.Column("sent_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "sign_of_life",
        sa.Column("part", SafeText(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("part"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("sign_of_life", "alert_channel", "alert", "problem"):
        op.drop_table(table)
