"""The unfinished jobs that people have to do something about, as their messages name them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from labelyard.domain.messages import NOBODY, OpenJob, WorkKind
from labelyard.domain.review import Phase
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import JobKind, JobStatus
from labelyard.ledger.database import Transaction
from labelyard.ledger.jobs import NOT_BEGUN, state_of
from labelyard.ledger.quality_tables import QualityJob
from labelyard.ledger.review_tables import Review
from labelyard.ledger.tables import Batch, Task
from labelyard.ledger.tables import Job as JobRow


def open_jobs(tx: Transaction) -> Sequence[OpenJob]:
    """Return the unfinished jobs of batches that people work on; instead of a job with replicas these.

    Jobs of whose review the lead has to decide are not among them.
    """
    checking = tx.execute(
        select(QualityJob, Batch, Task.url)
        .join(Batch, Batch.id == QualityJob.batch_id)
        .outerjoin(Task, (Task.batch_id == Batch.id) & (Task.state != TaskState.ABANDONED))
        .where(Batch.state == BatchState.ASSIGNED, QualityJob.merged_at.is_(None))
        .order_by(Batch.dataset, Batch.number, QualityJob.start_frame, QualityJob.server_id)
    ).all()
    in_replicas = {(batch.id, row.parent_id) for row, batch, _ in checking if row.kind is JobKind.REPLICA}
    found = [job for job in _labelling(tx) if (job.batch, job.job) not in in_replicas]
    for row, batch, url in checking:
        if row.status is not JobStatus.COMPLETED:
            kind = WorkKind.TRUTH if row.kind is JobKind.GROUND_TRUTH else WorkKind.LABEL
            found.append(
                OpenJob(
                    batch.id, batch.dataset, row.server_id, row.assignee or NOBODY, kind,
                    url=_link(url, row.server_id), is_settled=batch.error is None and row.replaced is None,
                )
            )  # fmt: skip
    return found


def _labelling(tx: Transaction) -> Iterator[OpenJob]:
    query = (
        select(JobRow, Batch, Review, Task.url)
        .join(Batch, Batch.id == JobRow.batch_id)
        .outerjoin(Review, Review.job_id == JobRow.id)
        .outerjoin(Task, (Task.batch_id == Batch.id) & (Task.state != TaskState.ABANDONED))
        .where(Batch.state == BatchState.ASSIGNED, JobRow.status != JobStatus.COMPLETED)
        .order_by(Batch.dataset, Batch.number, JobRow.start_frame, JobRow.server_id)
    )
    for row, batch, review, url in tx.execute(query):
        if review is not None and (review.problem or review.phase in (Phase.LEAD, Phase.ACCEPTED)):
            continue
        is_sent = not state_of(row).is_unsent and (review is None or review.step is None)
        kind, turn = _what_to_do(row, review)
        yield OpenJob(
            batch.id, batch.dataset, row.server_id, row.assignee or NOBODY, kind, turn,
            _link(url, row.server_id), _why_moved(row), batch.error is None and is_sent,
        )  # fmt: skip


def _what_to_do(row: JobRow, review: Review | None) -> tuple[WorkKind, int]:
    if review is not None and review.phase is Phase.REVIEW:
        return WorkKind.REVIEW, review.round
    if row.status is JobStatus.VALIDATION:  # where a person moved it
        return WorkKind.REVIEW, row.returned
    return (WorkKind.REPAIR if row.returned else WorkKind.LABEL), row.returned


def _why_moved(row: JobRow) -> str:
    """Return why a job is not with the person who had it before; empty if nobody had."""
    why, _, _ = (row.choice_reason or "").partition(";")
    if row.left_by is None or row.left_by == row.assignee:
        return ""
    return why if NOT_BEGUN in why else f"{row.left_by} had it before"


def _link(task_url: str | None, job: int) -> str:
    return f"{task_url}/jobs/{job}" if task_url else ""
