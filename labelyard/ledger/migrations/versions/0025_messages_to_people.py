"""What people were told about their work, and how sending that went."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText, UtcTime

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
additive = True

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables; nobody was told anything before."""
    op.create_table(
        "job_notice",
        sa.Column("person", SafeText(), nullable=False),
        sa.Column("batch_id", SafeText(), nullable=False),
        sa.Column("job", INTEGER, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("turn", INTEGER, nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("notified", sa.Boolean(), nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("taken_by", SafeText(), nullable=True),
        sa.PrimaryKeyConstraint("person", "batch_id", "job", name="pk_job_notice"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_job_notice_batch_id"),
    )
    op.create_table(
        "person_channel",
        sa.Column("person", SafeText(), nullable=False),
        sa.Column("version", INTEGER, nullable=False),
        sa.Column("leased_until", UtcTime(), nullable=True),
        sa.Column("failures", INTEGER, nullable=False),
        sa.Column("failing_since", UtcTime(), nullable=True),
        sa.Column("not_before", UtcTime(), nullable=True),
        sa.Column("error", SafeText(), nullable=True),
        sa.Column("sent_at", UtcTime(), nullable=True),
        sa.Column("absent_since", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("person", name="pk_person_channel"),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("person_channel")
    op.drop_table("job_notice")
