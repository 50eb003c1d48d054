"""The database itself keeps open batches and live tasks unique, independent of the code."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Barrier

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from labelyard.config import DatasetSpec
from labelyard.domain.states import BatchState, TaskState
from labelyard.ledger import Ledger, Transaction
from labelyard.ledger.declarative import Table
from labelyard.ledger.tables import Batch, Task


def batch(tx: Transaction, number: int, state: BatchState) -> Batch:
    now = tx.now
    return Batch(id=f"street-{number:05d}", dataset="street", version=1, number=number, state=state, opened_at=now,
                 last_registered_at=now, changed_at=now)  # fmt: skip


def task(attempt: int, state: TaskState) -> Task:
    return Task(batch_id="street-00001", attempt=attempt, name=f"a task #{attempt}", state=state, cvat="default")


def is_accepted(tx: Transaction, *rows: Table) -> bool:
    try:
        with tx.begin_nested() as savepoint:
            for row in rows:
                tx.add(row)
                tx.flush()
            savepoint.rollback()
    except IntegrityError:
        return False
    return True


def test_the_database_accepts_two_batches_of_a_dataset_unless_both_are_open(ledger: Ledger, spec: DatasetSpec) -> None:
    with ledger.transaction() as tx:
        for one, other in product(BatchState, repeat=2):
            both_open = one is other is BatchState.OPEN
            assert is_accepted(tx, batch(tx, 1, one), batch(tx, 2, other)) is not both_open, (one, other)


def test_the_database_accepts_two_tasks_of_a_batch_unless_both_are_live(ledger: Ledger, spec: DatasetSpec) -> None:
    with ledger.transaction() as tx:
        tx.add(batch(tx, 1, BatchState.CREATED))
        tx.flush()
        for one, other in product(TaskState, repeat=2):
            both_live = TaskState.ABANDONED not in (one, other)
            assert is_accepted(tx, task(1, one), task(2, other)) is not both_live, (one, other)


def test_a_batch_cannot_be_opened_again_beside_an_open_one(ledger: Ledger, spec: DatasetSpec) -> None:
    with ledger.transaction() as tx:
        tx.add_all([batch(tx, 1, BatchState.CLOSED), batch(tx, 2, BatchState.OPEN)])
    with pytest.raises(IntegrityError), ledger.transaction() as tx:
        tx.execute(update(Batch).where(Batch.number == 1).values(state=BatchState.OPEN))


@pytest.mark.parametrize("kind", ["open batches", "live tasks"])
def test_of_concurrent_transactions_without_locks_one_commits(ledger: Ledger, spec: DatasetSpec, kind: str) -> None:
    if kind == "live tasks":
        with ledger.transaction() as tx:
            tx.add(batch(tx, 1, BatchState.CREATED))
    together = Barrier(4)

    def insert(number: int) -> bool:
        together.wait()
        try:
            with ledger.transaction() as tx:
                tx.add(
                    batch(tx, number, BatchState.OPEN) if kind == "open batches" else task(number, TaskState.PLANNED)
                )
        except IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert sum(pool.map(insert, range(1, 5))) == 1
            with ledger.transaction() as tx:
                tx.execute(delete(Batch if kind == "open batches" else Task))
