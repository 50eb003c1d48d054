"""What may need a person, read from the ledger: the one reading of it for the pages, the commands and the alerts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import ColumnElement, func, or_, select

from labelyard.domain.attention import ExpectedObjects, OpenProblem, Outage, QuarantinedObject, Situation
from labelyard.domain.causes import Kind
from labelyard.domain.deadlines import STAGES, BatchAtWork, JobAtWork
from labelyard.domain.objects import s3_url
from labelyard.domain.states import WITHOUT_A_RUN, BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import breakers, datasets, dead_letters, messages, outages, problems, quality
from labelyard.ledger.database import Transaction
from labelyard.ledger.review_tables import Review
from labelyard.ledger.tables import Batch, Dataset, History, Job, Object, OutboxEvent, Task

if TYPE_CHECKING:
    from labelyard.config import DatasetSpec

_EventTimes: TypeAlias = tuple[datetime, datetime | None]
"""When an event was written, and when it was published."""
_Conditions: TypeAlias = Sequence[ColumnElement[bool]]
NOT_COLLECTED = "not collected"
"""The history's word for a task that cannot be read."""
_FORGOTTEN = (BatchState.CANCELLED, BatchState.ARCHIVED)
"""States in which nobody wants to hear of a batch's quarantined objects or warning."""
_MOST_QUARANTINED = 5000


def read_situation(tx: Transaction, dataset: str | None = None) -> Situation:
    """Return everything that may need a person now, of one dataset or of all. Raises NotFound.

    Dead letters, the queue, Prefect and housekeeping belong to no dataset.
    """
    specs = [datasets.spec(tx, dataset)] if dataset else list(datasets.current(tx, retired=True))
    letters = 0 if dataset else dead_letters.count(tx)
    paused = _paused(tx, dataset)
    return Situation(
        at=tx.now,
        batches=_at_work(tx, [Batch.dataset == dataset] if dataset else []),
        deadlines={spec.name: spec.deadlines.deadlines() for spec in specs},
        outages=_outages(tx, {spec.cvat for spec in specs} if dataset else None),
        quarantined=_quarantined(tx, dataset),
        dead_letters=letters,
        dead_letters_since=dead_letters.oldest(tx) if letters else None,
        paused=paused,
        expected=list(_expected(tx, [spec for spec in specs if spec.name not in paused])),
        problems=[
            *(
                OpenProblem(row.kind, row.name, row.dataset, row.what, row.next_step, row.since)
                for row in problems.present(tx)
                if not dataset or row.dataset == dataset
            ),
            *([] if dataset else _not_reached(tx)),
        ],
    )


def _not_reached(tx: Transaction) -> Iterator[OpenProblem]:
    """Yield the people whose channel refused their messages several times in a row."""
    for row in messages.not_reached(tx):
        what = f"{row.person} gets no messages about work: {row.error}"
        yield OpenProblem(Kind.NOT_REACHED, row.person, None, what, "labelyard doctor", row.failing_since or tx.now)


def situation_of_batch(tx: Transaction, batch: Batch) -> Situation:
    """Return what decides whether one batch is late or needs a person. Raises NotFound."""
    spec = datasets.spec(tx, batch.dataset)
    return Situation(
        at=tx.now,
        batches=_at_work(tx, [Batch.id == batch.id]),
        deadlines={spec.name: spec.deadlines.deadlines()},
        outages=_outages(tx, {batch.cvat or spec.cvat}),
        paused=_paused(tx, spec.name),
    )


def _at_work(tx: Transaction, of_it: _Conditions) -> Sequence[BatchAtWork]:
    """Return every batch that is closed and not exported, that failed, or that has an error or a warning.

    `of_it` are conditions on the batch, here and below.
    """
    shown = or_(
        Batch.state.in_((*STAGES, BatchState.FAILED)),
        (Batch.error.is_not(None) | Batch.warning.is_not(None)) & Batch.state.not_in(_FORGOTTEN),
    )
    query = (
        select(Batch, Task.url)
        .outerjoin(Task, (Task.batch_id == Batch.id) & (Task.state != "abandoned"))
        .where(shown, *of_it)
        .order_by(Batch.dataset, Batch.number)
    )
    rows = tx.execute(query).all()
    jobs, closings, unread = _jobs_of(tx, of_it), _last_closings(tx, of_it), _not_collected(tx, of_it)
    events = _events_of_backfills(tx, of_it)
    return [
        _batch(
            row,
            url,
            jobs.get(row.id, ()),
            closings.get(row.id, row.changed_at),
            events.get(row.id, ()),
            unread.get(row.id, row.changed_at),
        )
        for row, url in rows
    ]


def _batch(
    row: Batch,
    url: str | None,
    jobs: Sequence[JobAtWork],
    since: datetime,
    events: Sequence[_EventTimes],
    error_since: datetime,
) -> BatchAtWork:
    """Return a batch; `since` is when its stage began, but for the time in which a backfill has to wait."""
    turns = [published_at for written_at, published_at in events if published_at is not None and written_at >= since]
    waits = row.state is BatchState.CLOSED and any(published_at is None for _, published_at in events)
    return BatchAtWork(
        id=row.id, dataset=row.dataset, state=row.state, stage_since=min(turns, default=since), cvat=row.cvat or "",
        task_url=url, error=row.error, next_step=row.next_step, attempts=row.attempts, warning=row.warning,
        jobs=tuple(jobs), error_since=error_since if row.error else None, waits_for_turn=waits,
    )  # fmt: skip


def _last_closings(tx: Transaction, of_it: _Conditions) -> Mapping[str, datetime]:
    """Return when each batch whose task is being made was closed, for the last time if a task was made again."""
    query = (
        select(History.batch_id, func.max(History.at))
        .join(Batch, Batch.id == History.batch_id)
        .where(Batch.state.in_((BatchState.CREATED, BatchState.UPLOADED)), History.what == BatchState.CLOSED.value)
        .where(*of_it)
        .group_by(History.batch_id)
    )
    return {batch: at for batch, at in tx.execute(query) if batch is not None}


def _events_of_backfills(tx: Transaction, of_it: _Conditions) -> Mapping[str, Sequence[_EventTimes]]:
    """Return the events of each backfilled batch that is not uploaded yet: they are published when it is its turn."""
    query = (
        select(OutboxEvent.batch_id, OutboxEvent.written_at, OutboxEvent.published_at)
        .join(Batch, Batch.id == OutboxEvent.batch_id)
        .where(Batch.backfill, Batch.state.in_((BatchState.CLOSED, BatchState.CREATED, BatchState.UPLOADED)))
        .where(*of_it)
    )
    found: dict[str, list[_EventTimes]] = {}
    for batch, written_at, published_at in tx.execute(query):
        found.setdefault(batch, []).append((written_at, published_at))
    return found


def _not_collected(tx: Transaction, of_it: _Conditions) -> Mapping[str, datetime]:
    """Return since when the task of each batch whose task cannot be read is so."""
    query = (
        select(History.batch_id, func.max(History.at))
        .join(Batch, Batch.id == History.batch_id)
        .where(Batch.state.in_(WITHOUT_A_RUN), Batch.error.is_not(None), History.what == NOT_COLLECTED)
        .where(*of_it)
        .group_by(History.batch_id)
    )
    return {batch: at for batch, at in tx.execute(query) if batch is not None}


def _jobs_of(tx: Transaction, of_it: _Conditions) -> Mapping[str, Sequence[JobAtWork]]:
    """Return the jobs of each batch that people label; instead of a job with replicas these, until they are merged."""
    columns = (
        Job.batch_id,
        Job.server_id,
        Job.assignee,
        Job.start_frame,
        Job.stop_frame,
        Job.status,
        Job.status_since,
        Job.waits_since,
        Job.manual,
    )
    query = (
        select(*columns, Review.problem, Review.since)
        .join(Batch, Batch.id == Job.batch_id)
        .outerjoin(Review, Review.job_id == Job.id)
        .where(Batch.state == BatchState.ASSIGNED, *of_it)
    )
    replicas = quality.unmerged_replicas(tx)
    found: dict[str, list[JobAtWork]] = {}
    for job in tx.execute(query):
        frames = job.stop_frame - job.start_frame + 1
        people = replicas.get((job.batch_id, job.server_id), [(job.server_id, job.assignee, job.status)])
        problem, since = job.problem or "", job.since if job.problem else None
        found.setdefault(job.batch_id, []).extend(
            JobAtWork(
                number,
                assignee,
                frames,
                status,
                job.status_since,
                problem,
                since,
                job.waits_since is not None and not job.manual and job.status is JobStatus.ANNOTATION,
            )
            for number, assignee, status in people
        )
    return found


def _quarantined(tx: Transaction, dataset: str | None) -> Sequence[QuarantinedObject]:
    """Return the quarantined objects that are still in the store, the newest 5,000."""
    query = (
        select(Object)
        .outerjoin(Batch, Batch.id == Object.batch_id)
        .where(Object.quarantine_reason.is_not(None), Object.deleted_at.is_(None))
        .where(Batch.id.is_(None) | Batch.state.not_in(_FORGOTTEN))
        .order_by(Object.id.desc())
        .limit(_MOST_QUARANTINED)
    )
    return [
        QuarantinedObject(
            s3_url(row.bucket, row.key), row.dataset, row.batch_id or "", row.quarantine_reason or "", row.registered_at
        )
        for row in tx.scalars(query.where(Object.dataset == dataset) if dataset else query)
    ]


def _paused(tx: Transaction, dataset: str | None) -> Mapping[str, tuple[str, datetime]]:
    """Return the reason and the time of each pause, by dataset."""
    query = select(Dataset.name, Dataset.pause_reason, Dataset.paused_at).where(Dataset.paused_at.is_not(None))
    rows = tx.execute(query.where(Dataset.name == dataset) if dataset else query)
    return {name: (why or "", at) for name, why, at in rows if at is not None}


def _outages(tx: Transaction, cvats: Collection[str] | None) -> Sequence[Outage]:
    """Return the servers that are unavailable; with `cvats` only those among them, and object storage."""
    # A breaker of an older labelyard has no outage.
    found = {row.server: (row.since, row.error) for row in breakers.failing(tx)}
    found |= {row.server: (row.since, row.error) for row in outages.unended(tx)}
    return [
        Outage(
            name,
            since,
            error,
            label=breakers.server_label(name),
            every_batch=name == breakers.STORE,
            starts_runs=name == outages.PREFECT,
        )
        for name, (since, error) in sorted(found.items())
        if cvats is None or name in {*cvats, breakers.STORE}
    ]


def _expected(tx: Transaction, specs: Sequence[DatasetSpec]) -> Iterator[ExpectedObjects]:
    """Yield the datasets that expect new objects; before the first one, the time counts from the first `apply`."""
    for spec in specs:
        if spec.expect is not None and not datasets.is_retired(tx, spec.name):
            last = tx.scalar(select(func.max(Batch.last_registered_at)).where(Batch.dataset == spec.name))
            yield ExpectedObjects(spec.name, spec.expect, last or datasets.first_applied_at(tx, spec.name))
