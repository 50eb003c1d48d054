"""The statements of a lease, for every table whose rows have `leased_by` and `leased_until`."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, CursorResult, update

from labelyard.ledger.database import Transaction
from labelyard.ledger.release_tables import Release
from labelyard.ledger.tables import Batch

Leased = type[Batch] | type[Release]


def take_lease(
    tx: Transaction, table: Leased, row_id: str | int, holder: str, lease: timedelta, *conditions: ColumnElement[bool]
) -> bool:
    """Give a row that fulfils the conditions to a holder; return whether it did."""
    taken = tx.execute(
        update(table)
        .where(table.id == row_id, *conditions)
        .values(leased_by=holder, leased_until=tx.now + lease)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(taken, CursorResult)
    return taken.rowcount == 1


def extend_lease(
    tx: Transaction, table: Leased, row_id: str | int, holder: str, lease: timedelta, *conditions: ColumnElement[bool]
) -> bool:
    """Extend the lease of a holder, an expired one too if no other run has the row; return whether it had one."""
    return take_lease(tx, table, row_id, holder, lease, table.leased_by == holder, *conditions)


def end_lease(tx: Transaction, table: Leased, row_id: str | int, holder: str) -> None:
    """End the lease of a holder; do nothing when the row has another one by now."""
    tx.execute(
        update(table)
        .where(table.id == row_id, table.leased_by == holder)
        .values(leased_by=None, leased_until=None)
        .execution_options(synchronize_session=False)
    )
