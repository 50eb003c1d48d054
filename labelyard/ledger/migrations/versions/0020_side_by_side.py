"""Which labelyards can work with the schema, and how many events of a batch started no run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
additive = True

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns; `labelyard.ledger.upgrade` fills in those of the ledger's row."""
    op.add_column("ledger", sa.Column("oldest_compatible", SafeText(), nullable=True))
    op.add_column("ledger", sa.Column("upgraded_by", SafeText(), nullable=True))
    op.add_column("batch", sa.Column("events_in_vain", INTEGER, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("batch", "events_in_vain")
    op.drop_column("ledger", "upgraded_by")
    op.drop_column("ledger", "oldest_compatible")
