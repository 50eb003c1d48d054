"""When predictions were last sent to CVAT: a request without a response may take effect late."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import UtcTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add the column; of earlier requests nothing is known."""
    op.add_column("preannotation", sa.Column("sent_at", UtcTime(), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("preannotation", "sent_at")
