"""An export has an account of everything that was drawn, and may have several files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Earlier exports have one file and no account."""
    op.add_column("export", sa.Column("other_files", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("export", sa.Column("account", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("export", "account")
    op.drop_column("export", "other_files")
