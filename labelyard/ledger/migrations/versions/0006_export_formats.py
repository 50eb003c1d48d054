"""Exports have a format, and one export of each batch and format is current."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import labelyard.ledger.column_types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

EXPORT = sa.table(
    "export", sa.column("id"), sa.column("batch_id"), sa.column("format"), sa.column("current", sa.Boolean())
)


def upgrade() -> None:
    """Give every export the format `coco`, then add the constraints."""
    op.add_column("export", sa.Column("format", labelyard.ledger.column_types.SafeText(), nullable=True))
    op.execute(EXPORT.update().values(format="coco"))
    _keep_newest_current()
    # SQLite copies the table here. No other table refers to it.
    with op.batch_alter_table("export", schema=None) as batch_op:
        batch_op.alter_column("format", existing_type=labelyard.ledger.column_types.SafeText(), nullable=False)
        batch_op.drop_constraint("uq_export_batch_id_generation", type_="unique")
        batch_op.create_unique_constraint("uq_export_batch_id_format_generation", ["batch_id", "format", "generation"])
    op.create_index(
        "uq_export_current",
        "export",
        ["batch_id", "format"],
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )


def _keep_newest_current() -> None:
    """Leave one current export for each batch: so far only the code, not the database, made sure of that."""
    newest = sa.select(sa.func.max(EXPORT.c.id)).where(EXPORT.c.current).group_by(EXPORT.c.batch_id)
    op.execute(EXPORT.update().where(EXPORT.c.current, EXPORT.c.id.not_in(newest)).values(current=False))


def downgrade() -> None:
    """Delete the exports of other formats, of which revision 0005 knows nothing, then the column."""
    op.drop_index("uq_export_current", table_name="export")
    op.execute(EXPORT.delete().where(EXPORT.c.format != "coco"))
    with op.batch_alter_table("export", schema=None) as batch_op:
        batch_op.drop_constraint("uq_export_batch_id_format_generation", type_="unique")
        batch_op.create_unique_constraint("uq_export_batch_id_generation", ["batch_id", "generation"])
        batch_op.drop_column("format")
