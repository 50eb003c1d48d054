"""What a labelling lead asks in the morning: what came in, who has how much, what is late, what failed and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from labelyard.domain.objects import s3_url
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import Transaction, breakers, dead_letters, exports, jobs, tasks
from labelyard.ledger.tables import Batch, Dataset, Object


@dataclass(frozen=True)
class JobLine:
    """A job: CVAT's id, its frames (both included), who has it, how far it is, and since when."""

    id: int
    frames: tuple[int, int]
    assignee: str | None
    status: JobStatus
    since: datetime


@dataclass(frozen=True)
class BatchLine:
    """A batch as a person wants to see it; times are UTC."""

    id: str
    dataset: str
    state: BatchState
    objects: int
    set_aside: Mapping[str, str]
    """s3:// address -> why."""
    task_id: int | None
    task_name: str | None
    task_url: str | None
    jobs: Sequence[JobLine]
    exports: Sequence[str]
    """s3:// addresses, the current one last."""
    opened_at: datetime
    changed_at: datetime
    working: str | None
    """Who is at it now."""
    error: str | None
    next_step: str | None
    not_before: datetime | None
    warning: str | None


@dataclass(frozen=True)
class Overview:
    """All batches that match, and what concerns no single one."""

    at: datetime
    batches: Sequence[BatchLine]
    open_jobs: Mapping[str, int]
    """Unfinished jobs by person."""
    dead_letters: int
    """Messages that could not be read and wait for `labelyard dead-letters`."""
    away: Mapping[str, str]
    """Servers that are left alone for a while (`breakers.called` says their names), with what they said."""
    paused: Mapping[str, str]
    """Datasets, with the reason."""
    kept_out: Mapping[str, str]
    """s3:// addresses of what is set aside and in no batch, with the reason."""
    states: Mapping[str, int] = field(default_factory=dict)


def overview(
    tx: Transaction, now: datetime, *, dataset: str | None = None, batch: str | None = None, limit: int = 200
) -> Overview:
    """The newest `limit` batches and every older one with an error, of one dataset or of all, newest first.

    `batch` is the only one to show.
    """
    of_it = [Batch.dataset == dataset] if dataset else [Batch.id == batch] if batch else []
    order = (Batch.opened_at.desc(), Batch.id.desc())
    newest = select(Batch.id).where(*of_it).order_by(*order).limit(limit)
    shown = Batch.id.in_(newest) | Batch.error.is_not(None)
    found = tx.scalars(select(Batch).where(*of_it, shown).order_by(*order)).all()
    states = tx.execute(select(Batch.state, func.count()).group_by(Batch.state))
    return Overview(
        at=now,
        batches=[_line(tx, one, now) for one in found],
        open_jobs=jobs.load(tx),
        dead_letters=dead_letters.count(tx),
        away={row.server: row.error for row in breakers.troubled(tx)},
        paused=dict(_paused(tx)),
        kept_out=dict(_kept_out(tx, dataset)),
        states={state.value: count for state, count in states},
    )


def _paused(tx: Transaction) -> Iterator[tuple[str, str]]:
    for name, why in tx.execute(select(Dataset.name, Dataset.pause_reason).where(Dataset.paused_at.is_not(None))):
        yield name, why or ""


def _kept_out(tx: Transaction, dataset: str | None) -> Iterator[tuple[str, str]]:
    query = select(Object.bucket, Object.key, Object.quarantine_reason).where(
        Object.batch_id.is_(None), Object.quarantine_reason.is_not(None)
    )
    for bucket, key, reason in tx.execute(query.where(Object.dataset == dataset) if dataset else query):
        yield s3_url(bucket, key), reason


def _line(tx: Transaction, batch: Batch, now: datetime) -> BatchLine:
    task = tasks.current(tx, batch.id)
    quarantine_reason = tx.execute(
        select(Object.bucket, Object.key, Object.quarantine_reason).where(
            Object.batch_id == batch.id, Object.quarantine_reason.is_not(None)
        )
    )
    at_work = batch.leased_until is not None and batch.leased_until > now
    return BatchLine(
        id=batch.id, dataset=batch.dataset, state=batch.state, objects=batch.objects,
        set_aside={s3_url(bucket, key): reason or "" for bucket, key, reason in quarantine_reason},
        task_id=task.server_id if task else None, task_name=task.name if task else None,
        task_url=task.url if task else None,
        jobs=[JobLine(j.server_id, (j.start_frame, j.stop_frame), j.assignee, j.status, j.status_since)
              for j in jobs.of_batch(tx, batch.id)],
        exports=[s3_url(export.bucket, export.key) for export in exports.of_batch(tx, batch.id)],
        opened_at=batch.opened_at, changed_at=batch.changed_at, working=batch.leased_by if at_work else None,
        error=batch.error, next_step=batch.next_step, not_before=batch.not_before, warning=batch.warning,
    )  # fmt: skip
