"""Releases of a dataset, and the images in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.ledger.column_types import SafeText, UtcTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNPUBLISHED = sa.text("published_at IS NULL")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "release",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("dataset", SafeText(), nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
        sa.Column("previous", INTEGER, nullable=True),
        sa.Column("bucket", SafeText(), nullable=False),
        sa.Column("prefix", SafeText(), nullable=False),
        sa.Column("exports", sa.JSON(), nullable=False),
        sa.Column("leased_by", SafeText(), nullable=True),
        sa.Column("leased_until", UtcTime(), nullable=True),
        sa.Column("manifest_sha256", SafeText(), nullable=True),
        sa.Column("images", INTEGER, nullable=True),
        sa.Column("annotations", INTEGER, nullable=True),
        sa.Column("begun_at", UtcTime(), nullable=False),
        sa.Column("published_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset", "number", name="uq_release_dataset_number"),
    )
    op.create_index(
        "uq_release_one_unpublished",
        "release",
        ["dataset"],
        unique=True,
        sqlite_where=UNPUBLISHED,
        postgresql_where=UNPUBLISHED,
    )
    op.create_table(
        "released_image",
        sa.Column("dataset", SafeText(), nullable=False),
        sa.Column("identity", SafeText(), nullable=False),
        sa.Column("image_id", INTEGER, nullable=False),
        sa.Column("split", SafeText(), nullable=False),
        sa.Column("split_group", SafeText(), nullable=False),
        sa.Column("first_release", INTEGER, nullable=False),
        sa.Column("last_release", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.name"]),
        sa.PrimaryKeyConstraint("dataset", "identity"),
        sa.UniqueConstraint("dataset", "image_id", name="uq_released_image_dataset_image_id"),
    )


def downgrade() -> None:
    """Drop the tables. The releases in the bucket stay."""
    op.drop_table("released_image")
    op.drop_index("uq_release_one_unpublished", "release")
    op.drop_table("release")
