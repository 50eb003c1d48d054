"""The database allows one open batch of a dataset and one live task of a batch; the outbox has no unused column."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelyard.errors import LedgerError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OPEN = sa.text("state = 'open'")
LIVE = sa.text("state != 'abandoned'")


def upgrade() -> None:
    """Create the partial unique indexes, and drop the column.

    Raises LedgerError where rows violate an index; nothing is changed then.
    """
    _check_open_batches()
    _check_live_tasks()
    op.create_index("uq_batch_one_open", "batch", ["dataset"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index("uq_task_one_live", "task", ["batch_id"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE)
    op.drop_column("outbox", "error")


def downgrade() -> None:
    """Drop the indexes, and restore the column."""
    op.add_column("outbox", sa.Column("error", sa.Text(), nullable=True))
    op.drop_index("uq_task_one_live", "task")
    op.drop_index("uq_batch_one_open", "batch")


def _check_open_batches() -> None:
    dataset, batches = _first_group("batch", "dataset", "id", OPEN)
    if dataset:
        raise LedgerError(
            f"dataset {dataset} has several open batches: {batches}",
            where="the table batch",
            next_step=f"with the version that wrote this ledger, until one is left: labelyard close {dataset}",
        )


def _check_live_tasks() -> None:
    batch, tasks = _first_group("task", "batch_id", "id", LIVE)
    if batch:
        raise LedgerError(
            f"batch {batch} has several tasks that are not abandoned: the rows {tasks}",
            where="the table task",
            next_step="keep the one that people work on in CVAT, and for each other run: UPDATE task SET"
            " state = 'abandoned' WHERE id = …",
        )


def _first_group(table: str, group: str, member: str, condition: sa.TextClause) -> tuple[str, str]:
    """Return the first group with several members, and the members; empty texts if there is none."""
    of_table = sa.table(table, sa.column(group), sa.column(member))
    query = sa.select(of_table.c[group], of_table.c[member]).where(condition).order_by(of_table.c[member])
    members: dict[str, list[str]] = {}
    for name, one in op.get_bind().execute(query):
        members.setdefault(name, []).append(str(one))
    return next(((name, ", ".join(found)) for name, found in members.items() if len(found) > 1), ("", ""))
