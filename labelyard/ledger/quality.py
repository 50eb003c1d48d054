"""Ground-truth jobs, replicas and quality reports of a batch's task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, exists, or_, select

from labelyard.domain.quality import QualityReport, finished_parents, other_annotator, spread
from labelyard.domain.reassignment import Kept, nobody_else
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job, JobKind, JobStatus, Task
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.quality_tables import QualityJob
from labelyard.ledger.quality_tables import QualityReport as ReportRow
from labelyard.ledger.tables import Batch, Dataset

REPORT = "quality report"
"""What the history calls a quality report."""
_KIND = {JobKind.GROUND_TRUTH: "ground-truth job", JobKind.REPLICA: "replica"}


@dataclass(frozen=True)
class Replacing:
    """Who can get open jobs of somebody: `truth` the ground truth, `annotators` the replicas.

    `manual` says that a person named them. `only` are the jobs that move, by CVAT's id; None for all of the person.
    """

    truth: str | None
    annotators: Sequence[str]
    manual: bool = False
    only: Collection[int] | None = None


def of_batch(tx: Transaction, batch: str) -> Sequence[QualityJob]:
    """Return the ground-truth job and the replicas of a batch's task, by first frame and job."""
    order = (QualityJob.start_frame, QualityJob.parent_id, QualityJob.server_id)
    return tx.scalars(select(QualityJob).where(QualityJob.batch_id == batch).order_by(*order)).all()


def report_of(tx: Transaction, batch: str) -> ReportRow | None:
    """Return the report on a batch's task; one without figures was not made yet."""
    return tx.get(ReportRow, batch)


def forget(tx: Transaction, batch: str) -> None:
    """Delete what is known of a task that was abandoned."""
    tx.execute(delete(QualityJob).where(QualityJob.batch_id == batch))
    tx.execute(delete(ReportRow).where(ReportRow.batch_id == batch))


def update_from_server(tx: Transaction, batch: Batch, task: Task, usernames: Mapping[int, str]) -> bool:
    """Record the task's ground-truth job and replicas as the server returned them; return True if they changed.

    `usernames` are the names of all users by id. A job that the server no longer has is deleted.
    """
    known = {row.server_id: row for row in of_batch(tx, batch.id)}
    changed = False
    for job in task.quality_jobs:
        assignee = None if job.assignee is None else usernames.get(job.assignee, f"user {job.assignee}")
        row = known.pop(job.id, None)
        if row is None:
            tx.add(_new_row(batch, job, assignee))
            changed = True
        elif (row.status, row.accepted, row.assignee) != (job.status, job.is_accepted, assignee):
            row.status, row.accepted, row.assignee = job.status, job.is_accepted, assignee
            stage = f" at the stage {job.stage}" if job.stage else ""
            what = f"{_KIND[job.kind]} {job.id} of {assignee or 'nobody'}: {job.status}{stage}"
            record(tx, "job status", what, batch=batch)
            changed = True
        if row is not None and (row.assignee != row.replaced or row.status is JobStatus.COMPLETED):
            row.replaced = None
    for row in known.values():
        record(tx, "job status", f"{_KIND[row.kind]} {row.server_id} was deleted in CVAT", batch=batch)
        tx.delete(row)
        changed = True
    _record_work(tx, batch, task)
    tx.flush()
    for job in finished_parents(task):
        if job.status is JobStatus.COMPLETED:  # a process may have died after the merge, which completes the job
            mark_merged(tx, batch, job.id, "are merged: the job is completed")
    return changed


def _new_row(batch: Batch, job: Job, assignee: str | None) -> QualityJob:
    return QualityJob(
        batch_id=batch.id, server_id=job.id, kind=job.kind, parent_id=job.parent, start_frame=job.start_frame,
        stop_frame=job.stop_frame, status=job.status, accepted=job.is_accepted, assignee=assignee,
    )  # fmt: skip


def _record_work(tx: Transaction, batch: Batch, task: Task) -> None:
    """Record when the jobs and the ground truth last changed: a report of before is out of date."""
    truth = [job for job in task.quality_jobs if job.kind is JobKind.GROUND_TRUTH]
    row = report_of(tx, batch.id)
    if not truth:
        if row is not None:
            tx.delete(row)
        return
    updated = max(job.updated for job in (*task.jobs, *truth))
    if row is None:
        tx.add(ReportRow(batch_id=batch.id, work_updated=updated))
    else:
        row.work_updated = updated


# --- assignees --------------------------------------------------------------------------------------------------------


def choose_assignees(
    tx: Transaction, batch: Batch, truth: str | None, annotators: Sequence[str]
) -> Sequence[QualityJob]:
    """Choose a person for each job that has neither an assignee nor a choice; return all jobs.

    `truth` gets the ground-truth job, None leaves it. The dataset must be locked (`datasets.lock`). Commit it
    before anything is sent.
    """
    rows = [row for row in of_batch(tx, batch.id) if row.assignee is None and row.chosen_assignee is None]
    for row in rows:
        row.manual = False
        if row.kind is JobKind.GROUND_TRUTH:
            row.chosen_assignee = truth
    replicas = {row.server_id: row for row in rows if row.kind is JobKind.REPLICA}
    if replicas:
        dataset = tx.get_one(Dataset, batch.dataset)
        jobs = [as_job(row) for row in replicas.values()]
        for server_id, person in spread(jobs, annotators, dataset.jobs_assigned).items():
            replicas[server_id].chosen_assignee = person
        dataset.jobs_assigned += len(replicas)
    return of_batch(tx, batch.id)


def open_of(tx: Transaction, person: str, batch: str | None = None) -> Sequence[QualityJob]:
    """Return the ground-truth jobs and replicas that a person has to complete, of one batch or of all."""
    query = select(QualityJob).where(QualityJob.assignee == person, QualityJob.status != JobStatus.COMPLETED)
    query = query.where(QualityJob.batch_id == batch) if batch else query
    return tx.scalars(query.where(QualityJob.merged_at.is_(None)).order_by(QualityJob.server_id)).all()


def replace_assignee(
    tx: Transaction, batch: str, person: str, others: Replacing
) -> tuple[Sequence[QualityJob], Sequence[Kept]]:
    """Choose others for the open jobs of a person.

    Return the jobs with their new choice, and why the others stay. Commit it before anything is sent: what a crash
    leaves behind is in `being_replaced`.
    """
    chosen: list[QualityJob] = []
    kept = []
    for row in open_of(tx, person, batch):
        if others.only is not None and row.server_id not in others.only:
            continue
        if row.kind is JobKind.GROUND_TRUTH:
            other, why = others.truth, "the dataset file names nobody else for the ground truth"
        else:
            replicas = [one for one in of_batch(tx, batch) if one.kind is JobKind.REPLICA and one.id != row.id]
            # A choice that is not sent yet counts as well.
            held = [(one.parent_id, one.chosen_assignee if one.replaced else one.assignee) for one in replicas]
            other = other_annotator(row.parent_id, held, others.annotators)
            why = f"everybody else who could get it has a replica of job {row.parent_id}"
        if other is None:
            kept.append(nobody_else(person, f"{_KIND[row.kind]} {row.server_id} stays with {person}: {why}"))
        else:
            row.chosen_assignee, row.manual, row.replaced = other, others.manual, person
            chosen.append(row)
    return chosen, kept


def being_replaced(tx: Transaction, batch: str) -> Sequence[QualityJob]:
    """Return the jobs whose new assignee is chosen and not seen on the server yet."""
    return [row for row in of_batch(tx, batch) if row.replaced is not None]


def give_up_replacements(tx: Transaction, batch: str, active: Collection[str]) -> None:
    """Leave the jobs with who has them whose chosen one can get no job any more."""
    for row in being_replaced(tx, batch):
        if row.chosen_assignee not in active:
            row.chosen_assignee, row.manual, row.replaced = row.replaced, False, None


def mark_assigned(tx: Transaction, row_id: int) -> None:
    """Record that the server has accepted the chosen assignee."""
    row = tx.get_one(QualityJob, row_id)
    row.assignee, row.replaced = row.chosen_assignee, None
    batch = tx.get_one(Batch, row.batch_id)
    record(tx, "assigned", f"{_KIND[row.kind]} {row.server_id} to {row.chosen_assignee}", batch=batch)


def as_job(row: QualityJob) -> Job:
    """Return a job as the server returned it."""
    return Job(
        row.server_id, 0, row.start_frame, row.stop_frame, row.status, stage="", kind=row.kind, parent=row.parent_id
    )


def unmerged_replicas(tx: Transaction) -> dict[tuple[str, int], list[tuple[int, str | None, JobStatus]]]:
    """Return id, assignee and status of the replicas of each job that people label in replicas, by batch and job."""
    replica = QualityJob.kind == JobKind.REPLICA, QualityJob.merged_at.is_(None)
    query = select(QualityJob).join(Batch, Batch.id == QualityJob.batch_id).where(Batch.state == BatchState.ASSIGNED)
    found: dict[tuple[str, int], list[tuple[int, str | None, JobStatus]]] = {}
    for row in tx.scalars(query.where(*replica).order_by(QualityJob.server_id)):
        one = (row.server_id, row.assignee, row.status)
        found.setdefault((row.batch_id, row.parent_id or 0), []).append(one)
    return found


# --- merges -----------------------------------------------------------------------------------------------------------


def with_finished_replicas(tx: Transaction) -> Sequence[str]:
    """Return the batches that people label in replicas, of which some are completed and not merged, oldest first."""
    finished = QualityJob.status == JobStatus.COMPLETED, QualityJob.merged_at.is_(None)
    replica = exists().where(QualityJob.batch_id == Batch.id, QualityJob.kind == JobKind.REPLICA, *finished)
    return tx.scalars(select(Batch.id).where(Batch.state == BatchState.ASSIGNED, replica).order_by(Batch.id)).all()


def mark_merged(tx: Transaction, batch: Batch, parent: int, how: str) -> None:
    """Record that the replicas of a job need no merge any more, and why; once."""
    rows = [row for row in of_batch(tx, batch.id) if row.parent_id == parent and row.merged_at is None]
    if not rows:
        return
    for row in rows:
        row.merged_at = tx.now
    record(tx, "merged", f"the replicas of job {parent} {how}", batch=batch)


# --- reports ----------------------------------------------------------------------------------------------------------


def without_report(tx: Transaction, limit: int) -> Sequence[ReportRow]:
    """Return the reports to make: the ground truth is accepted, the batch is labelled, and both changed since."""
    truth = exists().where(
        QualityJob.batch_id == ReportRow.batch_id, QualityJob.kind == JobKind.GROUND_TRUTH, QualityJob.accepted
    )
    query = (
        select(ReportRow)
        .join(Batch, Batch.id == ReportRow.batch_id)
        .where(Batch.state.in_((BatchState.COMPLETED, BatchState.EXPORTED)), truth)
        .where(or_(ReportRow.made_for.is_(None), ReportRow.made_for != ReportRow.work_updated))
    )
    return tx.scalars(query.order_by(ReportRow.batch_id).limit(limit)).all()


def record_report(tx: Transaction, batch: Batch, work_updated: str, report: QualityReport) -> None:
    """Record a report that was made when the work was as of `work_updated`."""
    row = tx.get(ReportRow, batch.id)
    if row is None:
        return  # meanwhile the ground truth was deleted, or the task was abandoned
    row.made_for, row.server_id, row.error = work_updated, report.id, None
    row.figures = {
        "task": asdict(report.task),
        "jobs": {str(job): asdict(quality) for job, quality in report.jobs.items()},
    }
    found = report.task
    what = f"accuracy {found.accuracy:.0%} on {found.frames} frames, {found.conflicts} conflicts"
    record(tx, REPORT, f"report {report.id}: {what}", batch=batch)


def record_no_report(tx: Transaction, batch: Batch, work_updated: str, reason: str) -> None:
    """Record that CVAT could not make a report. It is asked again once the work has changed."""
    row = tx.get(ReportRow, batch.id)
    if row is None:
        return
    row.made_for, row.error = work_updated, reason
    record(tx, REPORT, f"CVAT could not make one: {reason}", batch=batch)
