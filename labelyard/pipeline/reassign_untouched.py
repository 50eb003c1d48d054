"""reassign_untouched: choose somebody else for jobs that their annotators have left untouched for too long, once.

The choice is committed here and sent by `assign_jobs`, as any other.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from labelyard.cvat.annotation_writes import match_annotations
from labelyard.domain.annotations import Annotations
from labelyard.failpoints import failpoint
from labelyard.ledger import assignments, batches, datasets, jobs, preannotations, tasks
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.preannotate_task import unpack

_log = logging.getLogger(__name__)


def reassign_untouched(lease: BatchLease) -> None:
    """Choose others for the jobs that nobody has begun, as CVAT shows them now. Raises CvatErrors."""
    with lease.ledger.read_only() as tx:
        spec, batch = datasets.spec(tx, lease.spec.name), batches.get(tx, lease.batch_id)
        rules = spec.assignment.rules()
        late = {row.server_id for row in assignments.left_untouched(tx, batch, rules)}
        unsent = {row.server_id for row in jobs.of_batch(tx, batch.id) if jobs.is_unsent_replacement(row)}
        _, task_id = tasks.require_current(tx, lease.batch_id)
    if not late and not unsent:
        return
    usernames = {user.id: user.username for user in lease.cvat.users()}
    active = {user.username for user in lease.cvat.assignable_users()}
    begun = _with_annotations(lease, late | unsent)  # what a crash left unsent, somebody may have begun since
    on_server = lease.cvat.jobs(task_id)
    with lease.transaction() as tx:
        datasets.lock(tx, lease.spec.name)  # before the batch, as assign_jobs does
        fresh = batches.get(tx, lease.batch_id, lock=True)
        jobs.update_from_server(tx, fresh, on_server, usernames)
        jobs.mark_begun(tx, lease.batch_id, begun)
        present = [name for name in spec.annotators if name in active]
        if present:
            assignments.replace_annotators(tx, fresh, present, rules, late - begun)
    failpoint("reassign_untouched.chosen")


def _with_annotations(lease: BatchLease, job_ids: Collection[int]) -> set[int]:
    """Return the jobs in which somebody has drawn, or changed or deleted a prediction."""
    with lease.ledger.read_only() as tx:
        row = preannotations.of_batch(tx, lease.batch_id)
    predicted = unpack(row.shapes) if row is not None and row.shapes else {}
    found = set()
    for job in job_ids:
        wanted = predicted.get(job, Annotations())
        same, others = match_annotations(wanted, lease.cvat.annotations(job))
        if others.shapes or others.tracks or others.tags or len(same.shapes) < len(wanted.shapes):
            found.add(job)
    return found
