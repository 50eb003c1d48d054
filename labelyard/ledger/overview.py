"""The overview of all batches: what arrived, who has how much, what is late, what failed and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from labelyard.domain.formats import ORIGINAL
from labelyard.domain.objects import s3_url
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import breakers, datasets, dead_letters, exports, jobs, preannotations, tasks
from labelyard.ledger.database import Transaction
from labelyard.ledger.measures import batches_by_state
from labelyard.ledger.review_progress import ReviewProgress, reviews_in_progress
from labelyard.ledger.tables import Batch, Dataset, Object

_AT_WORK = (BatchState.READY, BatchState.ASSIGNED, BatchState.COMPLETED)


@dataclass(frozen=True)
class JobSummary:
    """A job: CVAT's id, its frames (both included), its assignee, its status, and since when."""

    id: int
    frames: tuple[int, int]
    assignee: str | None
    status: JobStatus
    since: datetime


@dataclass(frozen=True)
class BatchSummary:
    """A batch with its task, jobs and exports; times are UTC."""

    id: str
    dataset: str
    state: BatchState
    objects: int
    """How many are in the task, or will be: without those that were quarantined before the upload."""
    quarantined: Mapping[str, str]
    """The reason by s3:// address."""
    task_id: int | None
    task_name: str | None
    task_url: str | None
    jobs: Sequence[JobSummary]
    exports: Sequence[str]
    """s3:// addresses of the datasets; the last one is the current one in the first format of the dataset file."""
    opened_at: datetime
    changed_at: datetime
    leased_by: str | None
    """The holder of an unexpired lease."""
    error: str | None
    next_step: str | None
    not_before: datetime | None
    """When its next run may start, if that is in the future."""
    progress: str | None
    """What CVAT last said about an upload of which it still makes the frames."""
    progress_at: datetime | None
    """Since when it says so."""
    warning: str | None
    preannotation: str | None = None
    """Why people label without predictions, or without some; None once the batch is exported."""
    not_in_store: Sequence[str] = ()
    """Those of the quarantined ones that are deleted or replaced in the store: nobody has to know of them any more."""
    review: ReviewProgress | None = None
    """How far its reviews are; None if no job of it is reviewed, or people do not work on it."""


@dataclass(frozen=True)
class Overview:
    """The batches that match, and what concerns more than one batch."""

    at: datetime
    batches: Sequence[BatchSummary]
    open_jobs: Mapping[str, int]
    """Unfinished jobs by person, of the batches that people work on."""
    dead_letters: int
    """How many dead letters wait; they belong to no dataset."""
    failing_servers: Mapping[str, str]
    """The last error by server (the name of a CVAT, or `breakers.STORE`) whose breaker is open or half open."""
    paused: Mapping[str, str]
    """The reason by dataset."""
    quarantined: Mapping[str, str]
    """The reason by s3:// address, of quarantined objects in no batch."""
    states: Mapping[str, int] = field(default_factory=dict)
    """How many batches are in each state, those that are not among `batches` too."""


def overview(tx: Transaction, *, dataset: str | None = None, batch: str | None = None, limit: int = 200) -> Overview:
    """Return the newest `limit` batches and every older one with an error, newest first.

    The batches, and all else, are those of one `dataset` or of all; or `batch` alone. Raises NotFound.
    """
    of_it = [Batch.dataset == dataset] if dataset else [Batch.id == batch] if batch else []
    order = (Batch.opened_at.desc(), Batch.id.desc())
    newest = select(Batch.id).where(*of_it).order_by(*order).limit(limit)
    shown = Batch.id.in_(newest) | Batch.error.is_not(None)
    found = tx.scalars(select(Batch).where(*of_it, shown).order_by(*order)).all()
    servers = {datasets.spec(tx, dataset).cvat, breakers.STORE} if dataset else None
    in_review = reviews_in_progress(tx, dataset=dataset, batch=batch)
    now = tx.now
    return Overview(
        at=now,
        batches=[_summary(tx, one, now, in_review.get(one.id)) for one in found],
        open_jobs=jobs.open_by_assignee(tx, dataset),
        dead_letters=0 if dataset else dead_letters.count(tx),
        failing_servers={
            row.server: row.error for row in breakers.failing(tx) if servers is None or row.server in servers
        },
        paused={name: why for name, why in _paused(tx) if dataset in (None, name)},
        quarantined=dict(_quarantined_outside_batches(tx, dataset)),
        states={state.value: count for state, count in batches_by_state(tx, dataset).items()},
    )


def _paused(tx: Transaction) -> Iterator[tuple[str, str]]:
    for name, why in tx.execute(select(Dataset.name, Dataset.pause_reason).where(Dataset.paused_at.is_not(None))):
        yield name, why or ""


def _quarantined_outside_batches(tx: Transaction, dataset: str | None) -> Iterator[tuple[str, str]]:
    query = select(Object.bucket, Object.key, Object.quarantine_reason).where(
        Object.batch_id.is_(None), Object.quarantine_reason.is_not(None), Object.deleted_at.is_(None)
    )
    for bucket, key, reason in tx.execute(query.where(Object.dataset == dataset) if dataset else query):
        yield s3_url(bucket, key), reason


def _summary(tx: Transaction, batch: Batch, now: datetime, review: ReviewProgress | None) -> BatchSummary:
    task = tasks.current(tx, batch.id)
    uploaded = task if task and batch.state is BatchState.UPLOADED else None
    quarantined = tx.scalars(
        select(Object).where(Object.batch_id == batch.id, Object.quarantine_reason.is_not(None)).order_by(Object.id)
    ).all()
    predictions = preannotations.of_batch(tx, batch.id) if batch.state in _AT_WORK else None
    return BatchSummary(
        id=batch.id, dataset=batch.dataset, state=batch.state, objects=batch.objects - _left_out(tx, batch.id),
        quarantined={row.stored.url: row.quarantine_reason or "" for row in quarantined},
        not_in_store=[row.stored.url for row in quarantined if row.deleted_at is not None],
        task_id=task.server_id if task else None, task_name=task.name if task else None,
        task_url=task.url if task else None,
        jobs=[JobSummary(j.server_id, (j.start_frame, j.stop_frame), j.assignee, j.status, j.status_since)
              for j in jobs.of_batch(tx, batch.id)],
        exports=[s3_url(export.bucket, export.key) for export in exports.of_batch(tx, batch.id)
                 if export.format != ORIGINAL],
        opened_at=batch.opened_at, changed_at=batch.changed_at,
        leased_by=batch.leased_by if batch.is_leased(now) else None,
        error=batch.error, next_step=batch.next_step, warning=batch.warning,
        not_before=batch.not_before if batch.not_before and batch.not_before > now else None,
        progress=uploaded.progress if uploaded else None, progress_at=uploaded.progress_at if uploaded else None,
        preannotation=preannotations.shortcoming(predictions) if predictions else None,
        review=review,
    )  # fmt: skip


def _left_out(tx: Transaction, batch_id: str) -> int:
    """Return how many objects of a batch are in no task: one that was quarantined after its upload still is in it."""
    quarantined = (Object.batch_id == batch_id, Object.quarantine_reason.is_not(None), Object.upload_name.is_(None))
    return tx.scalar(select(func.count()).select_from(Object).where(*quarantined)) or 0
