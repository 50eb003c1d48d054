"""Ground-truth jobs, replicas and quality reports of CVAT 2.x."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText, UtcTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

KINDS = ("annotation", "ground_truth", "consensus_replica")
STATUSES = ("annotation", "validation", "completed")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "quality_job",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("batch_id", SafeText(), nullable=False),
        sa.Column("server_id", INTEGER, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*KINDS, native_enum=False, length=24),
            nullable=False,
        ),
        sa.Column("parent_id", INTEGER, nullable=True),
        sa.Column("start_frame", INTEGER, nullable=False),
        sa.Column("stop_frame", INTEGER, nullable=False),
        sa.Column("status", sa.Enum(*STATUSES, native_enum=False, length=16), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("chosen_assignee", SafeText(), nullable=True),
        sa.Column("assignee", SafeText(), nullable=True),
        sa.Column("merged_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("batch_id", "server_id", name="uq_quality_job_batch_id_server_id"),
    )
    op.create_table(
        "quality_report",
        sa.Column("batch_id", SafeText(), nullable=False),
        sa.Column("work_updated", SafeText(), nullable=False),
        sa.Column("made_for", SafeText(), nullable=True),
        sa.Column("server_id", INTEGER, nullable=True),
        sa.Column("figures", sa.JSON(), nullable=True),
        sa.Column("error", SafeText(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"]),
        sa.PrimaryKeyConstraint("batch_id"),
    )


def downgrade() -> None:
    """Drop the tables. CVAT keeps the jobs and the reports."""
    op.drop_table("quality_report")
    op.drop_table("quality_job")
