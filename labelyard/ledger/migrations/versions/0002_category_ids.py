"""A table of category ids, which were derived from all versions of a dataset file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import labelyard.ledger.column_types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Upgrade the schema."""
    category = op.create_table(
        "category",
        sa.Column("dataset", labelyard.ledger.column_types.SafeText(), nullable=False),
        sa.Column("name", labelyard.ledger.column_types.SafeText(), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.name"], name=op.f("fk_category_dataset")),
        sa.PrimaryKeyConstraint("dataset", "name", name=op.f("pk_category")),
        sa.UniqueConstraint("dataset", "number", name="uq_category_dataset_number"),
    )
    version = sa.table("dataset_version", sa.column("dataset"), sa.column("number"), sa.column("document", sa.JSON()))
    query = sa.select(version.c.dataset, version.c.document).order_by(version.c.dataset, version.c.number)
    numbers: dict[str, dict[str, int]] = {}
    for dataset, document in op.get_bind().execute(query):
        known = numbers.setdefault(dataset, {})
        for label in document["task"]["labels"]:
            known.setdefault(label["name"], len(known) + 1)
    op.bulk_insert(
        category,
        [
            {"dataset": dataset, "name": name, "number": number}
            for dataset, known in numbers.items()
            for name, number in known.items()
        ],
    )


def downgrade() -> None:
    """Undo the upgrade."""
    op.drop_table("category")
