"""Tables, columns, states and dataset documents use the terms of the design."""

from __future__ import annotations

import hashlib
import json
from typing import Any

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
    ("batch", "announcements", "event_count"),
    ("batch", "announced_at", "last_event_at"),
    ("breaker", "cvat", "server"),
    ("dataset", "batches", "last_batch_number"),
    ("dataset", "turn", "jobs_assigned"),
    ("dataset", "paused_why", "pause_reason"),
    ("dead_letter", "sent_again_at", "replayed_at"),
    ("job", "by_hand", "manual"),
    ("job", "chosen", "chosen_assignee"),
    ("job", "reason", "choice_reason"),
    ("object", "landed_at", "registered_at"),
    ("object", "via", "registered_via"),
    ("object", "refused", "quarantine_reason"),
    ("object", "gone_at", "deleted_at"),
    ("outbox", "sent_at", "published_at"),
    ("task", "reason", "abandon_reason"),
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
REASONS = (("object", "quarantine_reason"), ("history", "reason"))
"""Table and column of the reasons that begin with how a person's decision was called."""
MANUALLY = ("by hand: ", "manually: ")
"""The old and the new beginning of such a reason."""
OVERWRITES = ("set_aside", "quarantine")
"""The old and the new value of `overwrites` in a dataset document."""


def upgrade() -> None:
    """Rename tables, columns and indexes, then the values."""
    for table, old, new in COLUMNS:
        # Not in a batch: on SQLite that would copy the table while other tables refer to it.
        op.alter_column(table, old, new_column_name=new)
    _rename_breaker("breaker", "circuit_breaker")
    _rename_outbox_index("sent_at", "published_at")
    for table, column, old, new in STATES:
        _replace(table, column, old, new)
    for table, column in REASONS:
        _replace_beginning(table, column, *MANUALLY)
    _replace_in_documents("overwrites", *OVERWRITES)


def downgrade() -> None:
    """Restore the former names."""
    _replace_in_documents("overwrites", *reversed(OVERWRITES))
    for table, column in REASONS:
        _replace_beginning(table, column, *reversed(MANUALLY))
    for table, column, old, new in STATES:
        _replace(table, column, new, old)
    _rename_breaker("circuit_breaker", "breaker")
    for table, old, new in COLUMNS:
        op.alter_column(table, new, new_column_name=old)
    _rename_outbox_index("published_at", "sent_at")


def _rename_breaker(old: str, new: str) -> None:
    op.rename_table(old, new)
    if op.get_context().dialect.name == "postgresql":  # SQLite names no primary key
        op.execute(f"ALTER INDEX pk_{old} RENAME TO pk_{new}")


def _rename_outbox_index(old: str, new: str) -> None:
    op.drop_index(f"ix_outbox_{old}", "outbox")
    op.create_index(f"ix_outbox_{new}", "outbox", [new])


def _replace(table: str, column: str, old: str, new: str) -> None:
    of_table = sa.table(table, sa.column(column, sa.Text()))
    op.execute(of_table.update().where(of_table.c[column] == old).values({column: new}))


def _replace_beginning(table: str, column: str, old: str, new: str) -> None:
    text = sa.column(column, sa.Text())
    changed = sa.literal(new) + sa.func.substr(text, len(old) + 1)
    op.execute(sa.table(table, text).update().where(text.startswith(old)).values({column: changed}))


def _replace_in_documents(field: str, old: str, new: str) -> None:
    """Replace the value of a field in the stored dataset documents, and compute their hashes again."""
    version = sa.table(
        "dataset_version",
        sa.column("dataset"),
        sa.column("number"),
        sa.column("document", sa.JSON()),
        sa.column("sha256"),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(version)).all():
        if row.document.get(field) != old:
            continue
        document = row.document | {field: new}
        connection.execute(
            version.update()
            .where(version.c.dataset == row.dataset, version.c.number == row.number)
            .values(document=document, sha256=_sha256(document))
        )


def _sha256(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
