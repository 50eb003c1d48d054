"""The reviews of jobs, and what reviewers said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText, UtcTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables. Jobs of before have no review: that of an open job begins when it is completed."""
    op.create_table(
        "review",
        sa.Column("job_id", INTEGER, nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("selected", sa.Boolean(), nullable=True),
        sa.Column("annotator", SafeText(), nullable=True),
        sa.Column("reviewer", SafeText(), nullable=True),
        sa.Column("round", INTEGER, nullable=False),
        sa.Column("earlier_rounds", INTEGER, nullable=False),
        sa.Column("problem", SafeText(), nullable=True),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("step", sa.String(16), nullable=True),
        sa.Column("step_assignee", SafeText(), nullable=True),
        sa.Column("step_reason", SafeText(), nullable=True),
        sa.Column("seen", SafeText(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_review_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name="pk_review"),
    )
    op.create_table(
        "review_verdict",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("batch_id", SafeText(), nullable=False),
        sa.Column("job", INTEGER, nullable=False),
        sa.Column("round", INTEGER, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("annotator", SafeText(), nullable=True),
        sa.Column("reviewer", SafeText(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_review_verdict_batch_id"),
        sa.PrimaryKeyConstraint("id", name="pk_review_verdict"),
    )
    op.create_index("ix_review_verdict_batch_id", "review_verdict", ["batch_id"])
    op.create_index("ix_review_verdict_at", "review_verdict", ["at"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("review_verdict")
    op.drop_table("review")
