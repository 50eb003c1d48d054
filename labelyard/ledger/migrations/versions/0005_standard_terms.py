"""Columns and states have the names of the design."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = (
    ("batch", "last_landed_at", "last_registered_at"),
    ("batch", "claimed_by", "leased_by"),
    ("batch", "lease_until", "leased_until"),
    ("batch", "announcements", "publish_attempts"),
    ("batch", "announced_at", "outbox_at"),
    ("dataset", "paused_why", "pause_reason"),
    ("dead_letter", "sent_again_at", "replayed_at"),
    ("job", "by_hand", "manual"),
    ("object", "landed_at", "registered_at"),
    ("object", "refused", "quarantine_reason"),
    ("object", "gone_at", "deleted_at"),
)
"""Table, old name, new name."""
STATES = (
    ("batch", "state", "set_aside", "quarantined"),
    ("batch", "state", "abandoned", "cancelled"),
    ("batch", "state", "released", "archived"),
    ("batch", "resume_state", "set_aside", "quarantined"),
    ("batch", "resume_state", "abandoned", "cancelled"),
    ("batch", "resume_state", "released", "archived"),
    ("task", "state", "proved", "verified"),
)
"""Table, column, old value, new value."""


def upgrade() -> None:
    """Rename the columns, then the values."""
    for table, old, new in COLUMNS:
        # Not in a batch: on SQLite that would copy the table while other tables refer to it.
        op.alter_column(table, old, new_column_name=new)
    for table, column, old, new in STATES:
        _replace(table, column, old, new)


def downgrade() -> None:
    """Give back the former names."""
    for table, column, old, new in STATES:
        _replace(table, column, new, old)
    for table, old, new in COLUMNS:
        op.alter_column(table, new, new_column_name=old)


def _replace(table: str, column: str, old: str, new: str) -> None:
    of_table = sa.table(table, sa.column(column, sa.Text()))
    op.execute(of_table.update().where(of_table.c[column] == old).values({column: new}))
