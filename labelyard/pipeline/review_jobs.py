"""review_jobs: send completed jobs to reviewers, rejected ones back to their annotators, and end accepted reviews.

What happens next is decided in `domain/review.py`. It is committed before it is sent, and the ledger records it after
the server has shown it. What a person changes meanwhile wins, and ends a step that was not done yet.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from labelyard.context import Context
from labelyard.domain.review import ReviewRules
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job, Task
from labelyard.errors import LeaseTaken
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, jobs, reviews
from labelyard.ledger.reviews import PendingStep, Reviewing
from labelyard.ledger.tables import Batch
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch

_log = logging.getLogger(__name__)


def review_jobs(
    context: Context,
    batch: Batch,
    task: Task,
    usernames: Mapping[int, str],
    can_work: Collection[str],
    rules: ReviewRules,
) -> bool:
    """Do what is next in the reviews of a batch that people work on; return whether its task may have changed.

    `task` is as the server showed it, `usernames` are its users by id, `can_work` those who may get jobs. While
    somebody else works on the batch nothing is done: the next look does it. Raises CvatErrors.
    """
    with context.ledger.read_only() as tx:
        if not reviews.is_due(tx, Reviewing(batch, task.jobs, usernames, rules, can_work)):
            return False
    try:
        # As for a person: a pause does not stop people, and a failure is recorded by the caller.
        with acquire_batch(context, batch.id, (BatchState.ASSIGNED,), manual=True, uses_store=False) as lease:
            _send(lease, _decide(lease, task.id, usernames, can_work, rules), usernames)
            return True
    except LeaseTaken as error:
        _log.info("%s: its reviews wait: %s", batch.id, error.what)
        return False


def _decide(
    lease: BatchLease, task_id: int, usernames: Mapping[int, str], can_work: Collection[str], rules: ReviewRules
) -> Sequence[PendingStep]:
    on_server = lease.cvat.jobs(task_id)
    with lease.ledger.read_only() as tx:
        about = Reviewing(batches.get(tx, lease.batch_id), on_server, usernames, rules, can_work)
        rejected = reviews.rejected(tx, about)
    issues = _issues(lease, on_server, rejected)
    with lease.transaction() as tx:
        batch = batches.get(tx, lease.batch_id, lock=True)
        jobs.update_from_server(tx, batch, on_server, usernames)
        reviews.give_up_steps(tx, batch, set(usernames.values()))
        steps = reviews.decide_all(tx, Reviewing(batch, on_server, usernames, rules, can_work, issues))
    failpoint("review_jobs.decided")
    return steps


def _issues(lease: BatchLease, on_server: Sequence[Job], rejected: Sequence[int]) -> dict[int, list[tuple[int, str]]]:
    """Return what reviewers wrote about rejected jobs. CVAT 1.x has no issues, and no stages."""
    with_stages = {job.id for job in on_server if job.stage}
    return {
        job: [(issue.frame, issue.messages[0]) for issue in lease.cvat.issues(job)
              if issue.messages and not issue.is_resolved]
        for job in rejected if job in with_stages
    }  # fmt: skip


def _send(lease: BatchLease, steps: Sequence[PendingStep], usernames: Mapping[int, str]) -> None:
    ids = {name: user_id for user_id, name in usernames.items()}
    for one in steps:
        lease.check()
        shown = lease.cvat.move_job(one.job_id, one.step, ids[one.assignee] if one.assignee else None)
        failpoint("review_jobs.sent")
        with lease.transaction() as tx:
            jobs.update_from_server(tx, batches.get(tx, lease.batch_id, lock=True), [shown], usernames)
        failpoint("review_jobs.recorded")
        _log.info("%s: job %d: %s, with %s", lease.batch_id, one.job_id, one.step, one.assignee or "nobody")
