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
    for row in rows:
        chosen = active.get(row.chosen_assignee or "")
        if row.assignee is None and chosen is not None:
            lease.check()
            lease.cvat.assign(row.server_id, chosen)
            failpoint("assign_quality_jobs.sent")
            with lease.transaction() as tx:
                quality.mark_assigned(tx, row.id)
            _log.info("%s: %s job %d assigned to %s", lease.batch_id, row.kind, row.server_id, row.chosen_assignee)
    with lease.ledger.read_only() as tx:
        return quality.of_batch(tx, lease.batch_id)
