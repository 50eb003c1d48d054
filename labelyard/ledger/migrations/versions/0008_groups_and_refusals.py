"""A dataset has one open batch of each group of objects; an object says when the store last refused it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import labelyard.ledger.column_types
from labelyard.errors import LedgerError

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPEN = sa.text("state = 'open'")
REFUSED = sa.text("refused_at IS NOT NULL")


def upgrade() -> None:
    """Add the columns and their indexes. Existing batches are of no group."""
    text = labelyard.ledger.column_types.SafeText()
    op.add_column("batch", sa.Column("object_group", text, nullable=False, server_default=""))
    op.drop_index("uq_batch_one_open", "batch")
    op.create_index(
        "uq_batch_one_open", "batch", ["dataset", "object_group"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.add_column("object", sa.Column("refused_at", labelyard.ledger.column_types.UtcTime(), nullable=True))
    op.create_index(
        "ix_object_refused_at",
        "object",
        ["dataset", "refused_at"],
        sqlite_where=REFUSED,
        postgresql_where=REFUSED,
    )


def downgrade() -> None:
    """Drop the columns. Raises LedgerError where a dataset has several open batches; nothing is changed then."""
    _check_open_batches()
    op.drop_index("ix_object_refused_at", "object")
    op.drop_column("object", "refused_at")
    op.drop_index("uq_batch_one_open", "batch")
    op.create_index("uq_batch_one_open", "batch", ["dataset"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
    op.drop_column("batch", "object_group")


def _check_open_batches() -> None:
    batch = sa.table("batch", sa.column("dataset"))
    several = sa.select(batch.c.dataset).where(OPEN).group_by(batch.c.dataset).having(sa.func.count() > 1)
    dataset = op.get_bind().scalar(several.limit(1))
    if dataset:
        raise LedgerError(
            f"dataset {dataset} has several open batches",
            where="the table batch",
            next_step=f"labelyard close {dataset}",
        )
