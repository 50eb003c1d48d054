"""What a look at waiting jobs asks of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from labelyard.config import DatasetSpec
from labelyard.domain.assignment import AssignmentRules, PersonRules
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import Ledger, assignments, batches, history
from labelyard.ledger.tables import Batch, Job
from tests.support.ledger_samples import an_object, register

RULES = AssignmentRules("pool", PersonRules(limit=1))


@contextmanager
def counted() -> Iterator[list[str]]:
    """Yield the statements that are executed."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def add_batches(ledger: Ledger, spec: DatasetSpec, numbers: range) -> Batch:
    """Add assigned batches with a job each that waits; return the last one."""
    for number in numbers:
        register(ledger, spec, an_object(number))
        with ledger.transaction() as tx:
            batch = batches.lock_open(tx, spec.name)
            assert batch is not None
            batch.state, batch.cvat = BatchState.ASSIGNED, "default"
            tx.add(a_job(batch, number, waits=True))
    with ledger.read_only() as tx:
        return batches.get(tx, batch.id)


def a_job(batch: Batch, number: int, *, waits: bool = False) -> Job:
    at = batch.opened_at
    return Job(
        batch_id=batch.id, server_id=number, start_frame=number, stop_frame=number, status=JobStatus.ANNOTATION,
        status_since=at, manual=False, waits_since=at if waits else None, choice_reason="waits: ann is ill",
    )  # fmt: skip


def test_a_look_needs_as_few_statements_for_many_batches_as_for_few(ledger: Ledger, spec: DatasetSpec) -> None:
    def count_statements(last: Batch) -> tuple[int, int]:
        """Return the statements of a look, and of the choices for one batch."""
        with counted() as statements, ledger.read_only() as tx:
            assert assignments.with_work(tx, ()) == [(spec.name, "default")]
            due = assignments.find_due(tx, spec.name, "default", ["ann"], RULES)
        assert due.batches == {"street-00001"}, "ann gets one job, the oldest"
        with counted() as choosing, ledger.transaction() as tx:
            batch = batches.get(tx, last.id)
            assignments.choose_assignees(tx, batch, ["ann"], RULES, {last.number})
        return len(statements), len(choosing)

    few = count_statements(add_batches(ledger, spec, range(1, 3)))
    assert count_statements(add_batches(ledger, spec, range(3, 10))) == few


def test_the_history_names_the_first_of_many_jobs_that_wait(ledger: Ledger, spec: DatasetSpec) -> None:
    batch = add_batches(ledger, spec, range(1, 2))
    with ledger.transaction() as tx:
        tx.add_all(a_job(batch, number) for number in range(2, 100))
    with ledger.transaction() as tx:
        assignments.choose_assignees(tx, batches.get(tx, batch.id), ["ann"], RULES, range(2, 100))
    with ledger.read_only() as tx:
        [said] = [entry.reason for entry in history.of_batch(tx, batch.id) if entry.what == assignments.WAITS]
    assert said.startswith("jobs 3, 4, 5, "), "ann gets job 2"
    assert said.endswith(", 22 and 77 others: ann has 1 of 1 open jobs")
