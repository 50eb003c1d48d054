"""The jobs of a batch's task: chosen and actual assignees, and status."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select

from labelyard.domain.assignment_state import AssignmentState, assignment_state
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job, JobStatus
from labelyard.ledger import reviews
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch
from labelyard.ledger.tables import Job as JobRow

LastShown = Mapping[int, tuple[JobStatus, str | None]]
"""The status and the assignee of each job, by its id on the server."""

A_PERSON_CHOSE = "a person chose"
"""The reason of a choice that a person named to labelyard: no plan changes it."""
NOT_BEGUN = "had not begun it after"
"""How, after the name, the reason begins of a choice in place of somebody who left a job untouched."""


def state_of(row: JobRow) -> AssignmentState:
    """Return where the assignment of a job is."""
    waits = row.waits_since is not None
    return assignment_state(row.chosen_assignee, row.assignee, manual=row.manual, waits=waits)


def is_unsent_replacement(row: JobRow) -> bool:
    """Return whether a job is to be taken from somebody who left it untouched, and the server does not show it yet.

    What a person takes away with `labelyard reassign` is no such job: there the reason says something else.
    """
    is_theirs = row.left_by is not None and row.left_by == row.assignee
    for_that = (row.choice_reason or "").startswith(f"{row.left_by} {NOT_BEGUN}")
    return state_of(row) is AssignmentState.UNSENT and is_theirs and for_that


def of_batch(tx: Transaction, batch: str) -> Sequence[JobRow]:
    """Return the batch's jobs by first frame."""
    query = select(JobRow).where(JobRow.batch_id == batch).order_by(JobRow.start_frame, JobRow.server_id)
    return tx.scalars(query).all()


def last_shown(tx: Transaction, batch: str) -> LastShown:
    """Return the status and the assignee that the server last returned for each job, by the job's id there."""
    return {row.server_id: (row.status, row.assignee) for row in of_batch(tx, batch)}


def update_from_server(tx: Transaction, batch: Batch, jobs: Sequence[Job], usernames: Mapping[int, str]) -> bool:
    """Record the jobs as the server returned them; return True when anything changed.

    `usernames` are the names of all users by id. A job whose assignee is not the chosen one was assigned manually: it
    is marked so, and no run reassigns it. Rows of jobs that the server no longer has remain. A step of a review ends
    when the server shows it.
    """
    known = {row.server_id: row for row in of_batch(tx, batch.id)}
    reviewed = reviews.of_batch(tx, batch.id)
    changed = False
    for job in jobs:
        row = known.get(job.id)
        assignee = assignee_name(job, usernames)
        if row is None:
            row = JobRow(
                batch_id=batch.id, server_id=job.id, start_frame=job.start_frame, stop_frame=job.stop_frame,
                status=job.status, status_since=tx.now, assignee=assignee, manual=assignee is not None,
                assigned_at=tx.now if assignee else None, begun_at=tx.now if job.has_begun else None,
            )  # fmt: skip
            tx.add(row)
            changed = True
            continue
        if job.id in reviewed:
            reviews.settle(tx, batch, row, reviewed[job.id], reviews.shown_job(batch, row, job, assignee))
        if job.has_begun:
            _record_begun(row, tx.now)
        changed |= _update_status(tx, batch, row, job.status)
        changed |= _update_assignee(tx, batch, row, assignee)
    tx.flush()
    return changed


def assignee_name(job: Job, usernames: Mapping[int, str]) -> str | None:
    """Return the user name of a job's assignee; None without one."""
    return None if job.assignee is None else usernames.get(job.assignee, f"user {job.assignee}")


def clear_unassigned_choices(tx: Transaction, batch: str) -> None:
    """Clear the choice of every job without an assignee, so that `assignments.choose_assignees` makes another.

    A job in review has no annotator: who has to review it, a person decides who took it away.
    """
    reviewed = reviews.jobs_in_review(tx, batch)
    for row in of_batch(tx, batch):
        if row.assignee is None and row.server_id not in reviewed:
            row.chosen_assignee, row.manual = None, False
            if row.status is not JobStatus.ANNOTATION:
                row.waits_since = None  # a person moved it while it waited: no look assigns it, only this


def unfinished_of(tx: Transaction, batch: str, person: str) -> Sequence[JobRow]:
    """Return the jobs of a batch that a person annotates and has not completed; not those that they review."""
    reviewed = reviews.jobs_in_review(tx, batch)
    return [
        row
        for row in of_batch(tx, batch)
        if row.assignee == person and row.status is not JobStatus.COMPLETED and row.server_id not in reviewed
    ]


def replace_choices(rows: Sequence[JobRow], to: str | None = None) -> None:
    """Choose `to` for jobs in place of others, or clear the choice so that `choose_assignees` makes another."""
    for row in rows:
        row.chosen_assignee, row.manual = to, False
        if to is None:
            row.left_by = row.assignee  # else the next look gives it back to them
        else:
            row.choice_reason = A_PERSON_CHOSE  # a crash before `mark_manual` must not make it labelyard's choice


def mark_manual(tx: Transaction, batch: str, job_ids: Collection[int]) -> None:
    """Record that a person chose the assignees of these jobs: no run and no plan changes them."""
    for row in of_batch(tx, batch):
        if row.server_id in job_ids:
            row.manual, row.choice_reason = True, A_PERSON_CHOSE


def mark_begun(tx: Transaction, batch: str, job_ids: Collection[int]) -> None:
    """Record that somebody has worked on these jobs."""
    for row in of_batch(tx, batch):
        if row.server_id in job_ids:
            _record_begun(row, tx.now)


def mark_assigned(tx: Transaction, row_id: int) -> None:
    """Record that the server has accepted the chosen assignee, or that a job that waits has none any more."""
    row = tx.get_one(JobRow, row_id)
    row.assignee, row.assigned_at = row.chosen_assignee, tx.now if row.chosen_assignee else None
    batch = tx.get_one(Batch, row.batch_id)
    to = row.chosen_assignee or "nobody"
    record(tx, "assigned", f"job {row.server_id} to {to}: {row.choice_reason}", batch=batch)


def open_by_assignee(tx: Transaction, dataset: str | None = None) -> dict[str, int]:
    """Return how many unfinished jobs each person has in batches that people work on."""
    query = (
        select(JobRow.assignee, func.count())
        .join(Batch, Batch.id == JobRow.batch_id)
        .where(JobRow.status != JobStatus.COMPLETED, JobRow.assignee.is_not(None), Batch.state == BatchState.ASSIGNED)
        .group_by(JobRow.assignee)
    )
    rows = tx.execute(query.where(Batch.dataset == dataset) if dataset else query)
    return {name: count for name, count in rows if name is not None}


def _record_begun(row: JobRow, now: datetime) -> None:
    """Record when a job was first seen begun; who has begun one that was to be given away untouched keeps it."""
    row.begun_at = row.begun_at or now
    if is_unsent_replacement(row):
        row.chosen_assignee, row.choice_reason = row.assignee, f"{row.assignee} began it before it was given away"


def _update_status(tx: Transaction, batch: Batch, row: JobRow, status: JobStatus) -> bool:
    if row.status is status:
        return False
    change = f"job {row.server_id} of {row.assignee or 'nobody'}: {row.status} to {status}"
    record(tx, "job status", change, batch=batch)
    row.returned += status is JobStatus.ANNOTATION
    row.status, row.status_since = status, tx.now
    return True


def _update_assignee(tx: Transaction, batch: Batch, row: JobRow, assignee: str | None) -> bool:
    if row.assignee == assignee:
        return False
    row.manual = assignee != row.chosen_assignee
    if row.manual:
        change = f"job {row.server_id} manually: {row.assignee or 'nobody'} to {assignee or 'nobody'}"
        record(tx, "reassigned", change, batch=batch)
    row.assignee, row.assigned_at = assignee, tx.now if assignee else None
    return True
