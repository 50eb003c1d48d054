"""What became of a model's predictions for a task."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText, UtcTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; tasks of before have no predictions."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "preannotation",
        sa.Column("task_id", number, autoincrement=False, nullable=False),
        sa.Column("batch_id", SafeText(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source", SafeText(), nullable=False),
        sa.Column("begun_at", UtcTime(), nullable=False),
        sa.Column("finished_at", UtcTime(), nullable=True),
        sa.Column("reason", SafeText(), nullable=True),
        sa.Column("warning", SafeText(), nullable=True),
        sa.Column("predicted", number, nullable=False),
        sa.Column("shapes", sa.LargeBinary(), nullable=True),
        sa.Column("corrections", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_preannotation_task_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_preannotation_batch_id")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_preannotation")),
    )
    op.create_index("ix_preannotation_batch_id", "preannotation", ["batch_id"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("preannotation")
