"""The jobs of a batch's task: who was chosen for them, who has them, how far they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select

from labelyard.domain.assignment import round_robin
from labelyard.domain.tasks import Job, JobStatus
from labelyard.ledger import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Dataset
from labelyard.ledger.tables import Job as JobRow


def of_batch(tx: Transaction, batch: str) -> Sequence[JobRow]:
    """The batch's jobs by first frame."""
    query = select(JobRow).where(JobRow.batch_id == batch).order_by(JobRow.start_frame, JobRow.server_id)
    return tx.scalars(query).all()


def see(tx: Transaction, batch: Batch, jobs: Sequence[Job], names: Mapping[int, str]) -> bool:
    """Write down what the server shows of the jobs; `names` are user names by id. True when something is new.

    A job that somebody else has than labelyard chose was given away by hand, and stays so.
    """
    known = {row.server_id: row for row in of_batch(tx, batch.id)}
    changed = False
    for job in jobs:
        row = known.get(job.id)
        holder = None if job.assignee is None else names.get(job.assignee, f"user {job.assignee}")
        if row is None:
            row = JobRow(
                batch_id=batch.id, server_id=job.id, start_frame=job.start_frame, stop_frame=job.stop_frame,
                status=job.status, status_since=tx.now, assignee=holder, manual=holder is not None,
            )  # fmt: skip
            tx.add(row)
            changed = True
            continue
        changed |= _see_status(tx, batch, row, job.status)
        changed |= _see_holder(tx, batch, row, holder)
    tx.flush()
    return changed


def choose(tx: Transaction, batch: Batch, annotators: Sequence[str]) -> Sequence[JobRow]:
    """Choose a person for every job that has none, keeping the round robin's place from batch to batch.

    Commit it before anything is sent: whoever goes on after a crash sends the same choices.
    """
    rows = [row for row in of_batch(tx, batch.id) if row.chosen is None and not row.manual]
    dataset = tx.get_one(Dataset, batch.dataset, with_for_update=True)
    by_id = {row.server_id: row for row in rows}
    jobs = [Job(row.server_id, 0, row.start_frame, row.stop_frame) for row in rows]
    for choice in round_robin(jobs, annotators, dataset.turn):
        by_id[choice.job_id].chosen, by_id[choice.job_id].reason = choice.annotator, choice.reason
    dataset.turn += len(rows)
    return of_batch(tx, batch.id)


def forget_free_choices(tx: Transaction, batch: str) -> None:
    """Forget the choice for every job that nobody has, so that `choose` makes another."""
    for row in of_batch(tx, batch):
        if row.assignee is None:
            row.chosen, row.manual = None, False


def sent(tx: Transaction, row_id: int) -> None:
    """The server has taken the choice."""
    row = tx.get_one(JobRow, row_id)
    row.assignee = row.chosen
    batch = tx.get_one(Batch, row.batch_id)
    record(tx, "assigned", f"job {row.server_id} to {row.chosen}: {row.reason}", batch=batch)


def load(tx: Transaction) -> dict[str, int]:
    """How many unfinished jobs each person has."""
    rows = tx.execute(
        select(JobRow.assignee, func.count())
        .where(JobRow.status != JobStatus.COMPLETED, JobRow.assignee.is_not(None))
        .group_by(JobRow.assignee)
    )
    return {name: count for name, count in rows if name is not None}


def _see_status(tx: Transaction, batch: Batch, row: JobRow, status: JobStatus) -> bool:
    if row.status is status:
        return False
    record(
        tx,
        "job",
        f"job {row.server_id} of {row.assignee or 'nobody'}: {row.status} to {status}",
        batch=batch,
    )
    row.status, row.status_since = status, tx.now
    return True


def _see_holder(tx: Transaction, batch: Batch, row: JobRow, holder: str | None) -> bool:
    if row.assignee == holder:
        return False
    row.manual = holder != row.chosen
    if row.manual:
        record(
            tx,
            "reassigned",
            f"job {row.server_id} by hand: {row.assignee or 'nobody'} to {holder or 'nobody'}",
            batch=batch,
        )
    row.assignee = holder
    return True
