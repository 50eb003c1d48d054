"""Outages of servers, when a job got its assignee, and how often it was returned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText, UtcTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNENDED = sa.text("until IS NULL")


def upgrade() -> None:
    """Create the table, add the columns, and the index by which arrivals are counted."""
    op.create_table(
        "outage",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("server", SafeText(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("until", UtcTime(), nullable=True),
        sa.Column("error", SafeText(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "uq_outage_one_unended", "outage", ["server"], unique=True, sqlite_where=UNENDED, postgresql_where=UNENDED
    )
    op.add_column("job", sa.Column("assigned_at", UtcTime(), nullable=True))
    op.add_column("job", sa.Column("returned", INTEGER, nullable=False, server_default="0"))
    op.create_index("ix_object_registered_at", "object", ["registered_at", "dataset", "batch_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_object_registered_at", "object")
    op.drop_column("job", "returned")
    op.drop_column("job", "assigned_at")
    op.drop_index("uq_outage_one_unended", "outage")
    op.drop_table("outage")
