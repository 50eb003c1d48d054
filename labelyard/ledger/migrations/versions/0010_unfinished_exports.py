"""A dataset file is recorded before it is uploaded: an export is finished later, or never."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import labelyard.ledger.column_types

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NAME = "uq_export_batch_id_format_generation"
COLUMNS = ("batch_id", "format", "generation")
FINISHED = sa.text("exported_at IS NOT NULL")


def upgrade() -> None:
    """Let `exported_at` be empty; only finished exports have a generation of their own."""
    with op.batch_alter_table("export") as export:
        export.alter_column("exported_at", existing_type=labelyard.ledger.column_types.UtcTime(), nullable=True)
        export.drop_constraint(NAME, type_="unique")
    op.create_index(NAME, "export", COLUMNS, unique=True, sqlite_where=FINISHED, postgresql_where=FINISHED)


def downgrade() -> None:
    """Forget the unfinished exports, and restore the constraint."""
    op.drop_index(NAME, "export")
    op.execute(sa.text("DELETE FROM export WHERE exported_at IS NULL"))
    with op.batch_alter_table("export") as export:
        export.alter_column("exported_at", existing_type=labelyard.ledger.column_types.UtcTime(), nullable=False)
        export.create_unique_constraint(NAME, COLUMNS)
