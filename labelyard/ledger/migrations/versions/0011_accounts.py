"""An export has an account of everything that was drawn, and may have several files; a dataset names its formats."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

VERSION = sa.table(
    "dataset_version", sa.column("dataset"), sa.column("number"), sa.column("document", sa.JSON()), sa.column("sha256")
)


def upgrade() -> None:
    """Add the columns: earlier exports have one file and no account. Stored datasets lose `export.format`."""
    rows = op.get_bind().execute(sa.select(VERSION.c.dataset, VERSION.c.number, VERSION.c.document)).all()
    for dataset, number, document in rows:
        document["export"].pop("format", None)  # it could only be COCO, which is the default of `formats`
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        same = (VERSION.c.dataset == dataset) & (VERSION.c.number == number)
        op.execute(VERSION.update().where(same).values(document=document, sha256=digest))
    op.add_column("export", sa.Column("other_files", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("export", sa.Column("account", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("export", "account")
    op.drop_column("export", "other_files")
