"""The unfinished jobs that people have to do something about, as their messages name them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, select

from labelyard.domain.messages import NOBODY, OpenJob, WorkKind
from labelyard.domain.review import Phase
from labelyard.domain.states import WITHOUT_TASK, BatchState, TaskState
from labelyard.domain.tasks import JobKind, JobStatus
from labelyard.ledger.database import Transaction
from labelyard.ledger.jobs import NOT_BEGUN, state_of
from labelyard.ledger.people_tables import JobNotice
from labelyard.ledger.quality_tables import QualityJob
from labelyard.ledger.review_tables import Review
from labelyard.ledger.tables import Batch, Task
from labelyard.ledger.tables import Job as JobRow

_SHOWN = (BatchState.ASSIGNED, BatchState.FAILED)
"""A failed batch is not settled: a person retries it, and its jobs are as before, or cancels it."""


def open_jobs(tx: Transaction) -> Sequence[OpenJob]:
    """Return the unfinished jobs of batches that people work on; instead of a job with replicas these.

    Jobs of whose review the lead has to decide are not among them. Those of a cancelled batch are nobody's, as long as
    somebody has to be told.
    """
    noticed = select(JobNotice.batch_id)
    is_wanted = Batch.state.in_(_SHOWN) | Batch.id.in_(noticed)
    shown = Batch.state.in_((*_SHOWN, *WITHOUT_TASK)) & is_wanted  # the first part finds them by the index
    checking = tx.execute(
        select(QualityJob, Batch, Task.url)
        .join(Batch, Batch.id == QualityJob.batch_id)
        .outerjoin(Task, (Task.batch_id == Batch.id) & (Task.state != TaskState.ABANDONED))
        .where(shown, QualityJob.merged_at.is_(None))
        .order_by(Batch.dataset, Batch.number, QualityJob.start_frame, QualityJob.server_id)
    ).all()
    in_replicas = {(batch.id, row.parent_id) for row, batch, _ in checking if row.kind is JobKind.REPLICA}
    found = [job for job in _labelling(tx, shown) if job.key not in in_replicas]
    for row, batch, url in checking:
        if row.status is not JobStatus.COMPLETED:
            kind = WorkKind.TRUTH if row.kind is JobKind.GROUND_TRUTH else WorkKind.LABEL
            job = OpenJob(
                batch.id,
                row.server_id,
                row.assignee or NOBODY,
                kind,
                task_url=url or "",
                is_settled=row.replaced is None,
            )
            found.append(_as_batch(job, batch))
    return found


def _labelling(tx: Transaction, shown: ColumnElement[bool]) -> Iterator[OpenJob]:
    query = (
        select(JobRow, Batch, Review, Task.url)
        .join(Batch, Batch.id == JobRow.batch_id)
        .outerjoin(Review, Review.job_id == JobRow.id)
        .outerjoin(Task, (Task.batch_id == Batch.id) & (Task.state != TaskState.ABANDONED))
        .where(shown, JobRow.status != JobStatus.COMPLETED)
        .order_by(Batch.dataset, Batch.number, JobRow.start_frame, JobRow.server_id)
    )
    for row, batch, review, url in tx.execute(query):
        if review is not None and review.phase in (Phase.LEAD, Phase.ACCEPTED):
            continue
        # With a problem it is decided later who has it next, and what was told of it stays told.
        is_sent = not state_of(row).is_unsent and (review is None or (review.step is None and not review.problem))
        kind, turn = _what_to_do(row, review)
        left_by = row.left_by if row.left_by is not None and row.left_by != row.assignee else ""
        why, _, _ = (row.choice_reason or "").partition(";")
        job = OpenJob(
            batch.id, row.server_id, row.assignee or NOBODY, kind, turn, url or "",
            left_by, why if left_by and NOT_BEGUN in why else "", is_sent,
        )  # fmt: skip
        yield _as_batch(job, batch)


def _as_batch(job: OpenJob, batch: Batch) -> OpenJob:
    """Return a job as the state of its batch lets it be."""
    if batch.state in WITHOUT_TASK:
        return replace(job, person=NOBODY, left_by="", reason=f"the batch is {batch.state}", is_settled=True)
    is_settled = job.is_settled and batch.error is None and batch.state is BatchState.ASSIGNED
    return replace(job, is_settled=is_settled)


def _what_to_do(row: JobRow, review: Review | None) -> tuple[WorkKind, int]:
    if review is not None and review.phase is Phase.REVIEW:
        return WorkKind.REVIEW, review.round
    if row.status is JobStatus.VALIDATION:  # where a person moved it
        return WorkKind.REVIEW, row.returned
    return (WorkKind.REPAIR if row.returned else WorkKind.LABEL), row.returned
