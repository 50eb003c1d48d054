"""Objects that a backfill finds join batches of their own, which wait for those of what arrives now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.errors import LedgerError

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

OPEN = sa.text("state = 'open'")
ONE_OPEN = "uq_batch_one_open"


def upgrade() -> None:
    """Add the column: no existing batch is of a backfill."""
    op.add_column("batch", sa.Column("backfill", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index(ONE_OPEN, "batch")
    _create_index("dataset", "object_group", "backfill")


def downgrade() -> None:
    """Drop the column. Raises LedgerError where a backfilled batch is open; nothing is changed then."""
    batch = sa.table("batch", sa.column("dataset"), sa.column("backfill", sa.Boolean()))
    dataset = op.get_bind().scalar(sa.select(batch.c.dataset).where(OPEN, batch.c.backfill).limit(1))
    if dataset:
        what = f"dataset {dataset} has an open batch of a backfill"
        raise LedgerError(what, where="the table batch", next_step=f"labelyard close {dataset}")
    op.drop_index(ONE_OPEN, "batch")
    _create_index("dataset", "object_group")
    op.drop_column("batch", "backfill")


def _create_index(*columns: str) -> None:
    op.create_index(ONE_OPEN, "batch", list(columns), unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
