"""The ledger enforces the transitions of a task, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labelyard.config import DatasetSpec
from labelyard.domain.states import TaskState
from labelyard.errors import LedgerError
from labelyard.ledger import Ledger, Transaction, tasks
from labelyard.ledger.tables import Task
from tests.support.ledger_samples import closed_batch

Step = Callable[[Transaction, int], None]

STEPS: dict[str, Step] = {
    "create": lambda tx, row: tasks.mark_created(tx, row, 7, "http://cvat/tasks/7"),
    "begin": lambda tx, row: tasks.mark_upload_begun(tx, row, 3),
    "not begun": tasks.mark_upload_not_begun,
    "verify": tasks.mark_verified,
    "abandon": lambda tx, row: tasks.abandon(tx, row, "by the test"),
}
ALLOWED: dict[tuple[str, ...], set[str]] = {
    (): {"create", "abandon"},
    ("create",): {"begin", "abandon"},
    ("create", "begin"): {"not begun", "verify", "abandon"},
    ("create", "begin", "not begun"): {"begin", "abandon"},
    ("create", "begin", "verify"): {"verify", "abandon"},  # a later run sees the frames again
    ("create", "begin", "abandon"): set(),
}
"""What was done -> what may be done next."""


@pytest.mark.parametrize("done", ALLOWED)
def test_a_step_out_of_order_is_refused_with_the_batch_and_changes_nothing(
    ledger: Ledger, spec: DatasetSpec, done: tuple[str, ...]
) -> None:
    batch = closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        row_id = tasks.plan(tx, batch, "default").id
    for step in done:
        run(ledger, row_id, step)
    before = state(ledger, row_id)
    for step in sorted(STEPS.keys() - ALLOWED[done]):
        with pytest.raises(LedgerError, match=f"cannot go from {before} to ") as rejected:
            run(ledger, row_id, step)
        assert (rejected.value.where, rejected.value.next_step) == (batch.id, f"labelyard why {batch.id}")
        assert state(ledger, row_id) is before
    for step in sorted(ALLOWED[done])[:1]:
        run(ledger, row_id, step)


def run(ledger: Ledger, row_id: int, step: str) -> None:
    with ledger.transaction() as tx:
        STEPS[step](tx, row_id)


def state(ledger: Ledger, row_id: int) -> TaskState:
    with ledger.read_only() as tx:
        return tx.get_one(Task, row_id).state
