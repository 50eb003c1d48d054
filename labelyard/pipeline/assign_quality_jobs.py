"""Assign the ground-truth job of a task to its annotator, and the replicas of each job to different annotators.

As for other jobs the choice is committed before it is sent, and a job that a person assigned in CVAT stays as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from labelyard.domain.tasks import Task
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, datasets, quality
from labelyard.ledger.quality_tables import QualityJob
from labelyard.pipeline.acquire_batch import BatchLease

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
    _send(lease, [row for row in rows if row.assignee is None and row.chosen_assignee in active], active)
    with lease.ledger.read_only() as tx:
        return quality.of_batch(tx, lease.batch_id)


def replace_in_quality_jobs(
    lease: BatchLease,
    task: Task,
    usernames: Mapping[int, str],
    active: Mapping[str, int],
    person: str,
    truth: str | None,
    annotators: Sequence[str],
) -> tuple[Sequence[QualityJob], Sequence[str]]:
    """Give the open ground-truth job and replicas of a person to others; return these jobs, and why others stay.

    `truth` and `annotators` are among the `active` ones. A call after a crash finds what the person still has.
    """
    with lease.transaction() as tx:
        batch = batches.get(tx, lease.batch_id, lock=True)
        quality.update_from_server(tx, batch, task, usernames)
        rows, kept = quality.replace_assignee(tx, batch.id, person, truth, annotators)
    failpoint("assign_quality_jobs.replaced")
    _send(lease, rows, active)
    return rows, kept


def _send(lease: BatchLease, rows: Sequence[QualityJob], active: Mapping[str, int]) -> None:
    for row in rows:
        lease.check()
        lease.cvat.assign(row.server_id, active[row.chosen_assignee or ""])
        failpoint("assign_quality_jobs.sent")
        with lease.transaction() as tx:
            quality.mark_assigned(tx, row.id)
        _log.info("%s: %s job %d assigned to %s", lease.batch_id, row.kind, row.server_id, row.chosen_assignee)
