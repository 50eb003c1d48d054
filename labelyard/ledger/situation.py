"""What `domain.causes` decides by, read from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func, select

from labelyard.domain.causes import ExpectedObjects, OpenProblem, Outage, Situation, StoppedBatch
from labelyard.domain.deadlines import STAGES, BatchAtWork, Deadlines, JobAtWork, late_batches
from labelyard.domain.states import BatchState
from labelyard.ledger import breakers, datasets, dead_letters, jobs, problems
from labelyard.ledger.batches import EVENT_OF_STATE
from labelyard.ledger.database import Transaction
from labelyard.ledger.tables import Batch, Dataset, DatasetVersion, History, Job

NOT_COLLECTED = "not collected"
"""The history's word for a task that cannot be read."""


def read_situation(tx: Transaction) -> Situation:
    """Return everything that may need a person now."""
    now = tx.now
    return Situation(
        at=now,
        stopped=list(_stopped(tx)),
        late=late_batches(_at_work(tx), _deadlines(tx), now),
        outages=[Outage(_label(row.server), row.since, row.error) for row in breakers.failing(tx)],
        expected=list(_expected(tx)),
        problems=[
            OpenProblem(row.kind, row.name, row.dataset, row.what, row.next_step, row.since)
            for row in problems.present(tx)
        ],
        dead_letters=dead_letters.count(tx),
        dead_letters_since=dead_letters.oldest(tx),
    )


def _label(server: str) -> str:
    return server if server == breakers.STORE else f"CVAT {server}"


def _stopped(tx: Transaction) -> Iterator[StoppedBatch]:
    """Yield the batches with an error, but for those that wait for a server: the server is the cause."""
    query = select(Batch).where(Batch.error.is_not(None)).order_by(Batch.changed_at, Batch.id)
    away = {row.server for row in breakers.failing(tx)}
    for batch in tx.scalars(query):
        is_retried = batch.state in EVENT_OF_STATE
        if is_retried and away & {batch.cvat, breakers.STORE}:
            continue
        since = batch.changed_at
        if not is_retried and batch.state is not BatchState.FAILED:
            since = _last(tx, batch.id, NOT_COLLECTED) or since
        next_step = batch.next_step or f"labelyard why {batch.id}"
        yield StoppedBatch(
            batch.id, batch.dataset, batch.error or "", next_step, since, batch.attempts, is_retried=is_retried
        )


def _last(tx: Transaction, batch_id: str, what: str) -> datetime | None:
    return tx.scalar(select(func.max(History.at)).where(History.batch_id == batch_id, History.what == what))


def _at_work(tx: Transaction) -> Iterator[BatchAtWork]:
    """Yield the batches in a stage that has a deadline."""
    query = select(Batch).join(Dataset, Dataset.name == Batch.dataset)
    for batch in tx.scalars(query.where(Batch.state.in_(STAGES), Dataset.paused_at.is_(None))):
        rows = jobs.of_batch(tx, batch.id) if batch.state is BatchState.ASSIGNED else ()
        yield BatchAtWork(
            id=batch.id,
            dataset=batch.dataset,
            state=batch.state,
            stage_since=_stage_since(batch),
            cvat=batch.cvat or "",
            jobs=tuple(
                JobAtWork(one.server_id, one.assignee, _frames(one), one.status, one.status_since) for one in rows
            ),
        )


def _frames(job: Job) -> int:
    return job.stop_frame - job.start_frame + 1


def _stage_since(batch: Batch) -> datetime:
    """Return when the stage of a batch began: its upload begins when it closes, whatever states it passes."""
    waits_for_cvat = batch.state in (BatchState.CREATED, BatchState.UPLOADED)
    return (batch.closed_at if waits_for_cvat else None) or batch.changed_at


def _deadlines(tx: Transaction) -> dict[str, Deadlines]:
    return {spec.name: spec.deadlines.deadlines() for spec in datasets.current(tx, retired=True)}


def _expected(tx: Transaction) -> Iterator[ExpectedObjects]:
    """Yield the datasets that expect new objects; before the first one, the time counts from the first `apply`."""
    last, first = func.max(Batch.last_registered_at), func.min(DatasetVersion.applied_at)
    arrived = dict(tx.execute(select(Batch.dataset, last).group_by(Batch.dataset)).tuples().all())
    versions = select(DatasetVersion.dataset, first).group_by(DatasetVersion.dataset)
    applied = dict(tx.execute(versions).tuples().all())
    paused = set(tx.scalars(select(Dataset.name).where(Dataset.paused_at.is_not(None))))
    for spec in datasets.current(tx):
        if spec.expect is not None and spec.name not in paused:
            yield ExpectedObjects(spec.name, spec.expect, arrived.get(spec.name) or applied[spec.name])
