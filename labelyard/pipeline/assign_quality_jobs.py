"""Assign the ground-truth job of a task to its annotator, and the replicas of each job to different annotators.

As for other jobs the choice is committed before it is sent, and a job that a person assigned in CVAT stays as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from labelyard.context import Context
from labelyard.domain.reassignment import Kept
from labelyard.domain.tasks import Task
from labelyard.errors import LeaseTaken
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, datasets, quality
from labelyard.ledger.quality import Replacing
from labelyard.ledger.quality_tables import QualityJob
from labelyard.ledger.tables import Batch
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch

_log = logging.getLogger(__name__)


def assign_quality_jobs(
    lease: BatchLease,
    task: Task,
    usernames: Mapping[int, str],
    active: Mapping[str, int],
    truth: str | None,
    annotators: Sequence[str],
) -> Sequence[QualityJob]:
    """Assign the jobs that are free; return all of them.

    `active` are the ids of those who may get a job, `truth` and `annotators` are among them. Without `truth` the
    ground-truth job stays free.
    """
    with lease.transaction() as tx:
        datasets.lock(tx, lease.spec.name)  # before the batch, as registering does
        batch = batches.get(tx, lease.batch_id, lock=True)
        quality.update_from_server(tx, batch, task, usernames)
        rows = quality.choose_assignees(tx, batch, truth, annotators)
    failpoint("assign_quality_jobs.chosen")
    waiting = [row for row in rows if row.assignee is None or row.replaced is not None]
    _send(lease, [row for row in waiting if row.chosen_assignee in active], active)
    with lease.ledger.read_only() as tx:
        return quality.of_batch(tx, lease.batch_id)


def replace_in_quality_jobs(
    lease: BatchLease,
    task: Task,
    usernames: Mapping[int, str],
    active: Mapping[str, int],
    person: str,
    others: Replacing,
) -> tuple[Sequence[QualityJob], Sequence[Kept]]:
    """Give the open ground-truth job and replicas of a person to others; return these jobs, and why others stay.

    Those of `others` are among the `active` ones. What a crash leaves unsent is sent by `finish_replacements`.
    """
    with lease.transaction() as tx:
        batch = batches.get(tx, lease.batch_id, lock=True)
        quality.update_from_server(tx, batch, task, usernames)
        rows, kept = quality.replace_assignee(tx, batch.id, person, others)
    failpoint("assign_quality_jobs.replaced")
    _send(lease, rows, active)
    return rows, kept


def finish_replacements(context: Context, batch: Batch, task: Task, usernames: Mapping[int, str]) -> bool:
    """Send the replacements that a crash has left unsent; return whether the task may have changed.

    While somebody else works on the batch nothing is done: the next look does it. Raises CvatErrors.
    """
    with context.ledger.read_only() as tx:
        if not quality.being_replaced(tx, batch.id):
            return False
    try:
        with acquire_batch(context, batch.id, (batch.state,), manual=True, uses_store=False) as lease:
            fresh = lease.cvat.task(task.id)
            active = {user.username: user.id for user in lease.cvat.assignable_users()}
            with lease.transaction() as tx:
                quality.update_from_server(tx, batches.get(tx, batch.id, lock=True), fresh, usernames)
                quality.give_up_replacements(tx, batch.id, active)
                rows = quality.being_replaced(tx, batch.id)
            _send(lease, rows, active)
            return True
    except LeaseTaken as error:
        _log.info("%s: its ground truth and replicas wait: %s", batch.id, error.what)
        return False


def _send(lease: BatchLease, rows: Sequence[QualityJob], active: Mapping[str, int]) -> None:
    for row in rows:
        lease.check()
        lease.cvat.assign(row.server_id, active[row.chosen_assignee or ""])
        failpoint("assign_quality_jobs.sent")
        with lease.transaction() as tx:
            quality.mark_assigned(tx, row.id)
        _log.info("%s: %s job %d assigned to %s", lease.batch_id, row.kind, row.server_id, row.chosen_assignee)
