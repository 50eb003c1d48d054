"""review_jobs: send completed jobs to reviewers, rejected ones back to their annotators, and end accepted reviews.

A completed job is checked first: one with faults goes back at once, and CVAT 2.x shows each as an issue on its frame.
What happens next is decided in `domain/review.py`. It is committed before it is sent, and the ledger records it after
the server has shown it. What a person changes meanwhile wins, and ends a step that was not done yet. A job that changes
while faults are looked for waits for the next look.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from labelyard.context import Context
from labelyard.domain.job_faults import JobFault, is_about_fault, listed
from labelyard.domain.review import ReviewResult, ReviewRules
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Issue, Task
from labelyard.errors import LeaseTaken
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, jobs, reviews
from labelyard.ledger.reviews import PendingStep, Reviewing
from labelyard.ledger.tables import Batch
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch
from labelyard.pipeline.find_faults import find_faults

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
            send_steps(lease, _decide(lease, task, usernames, can_work, rules), usernames)
            return True
    except LeaseTaken as error:
        _log.info("%s: its reviews wait: %s", batch.id, error.what)
        return False


def _decide(
    lease: BatchLease, task: Task, usernames: Mapping[int, str], can_work: Collection[str], rules: ReviewRules
) -> Sequence[PendingStep]:
    on_server = lease.cvat.jobs(task.id)
    with lease.ledger.read_only() as tx:
        about = Reviewing(batches.get(tx, lease.batch_id), on_server, usernames, rules, can_work)
        rejected = reviews.rejected(tx, about)
        to_check = reviews.to_check(tx, about)
        went_back = {one.job for one in reviews.verdicts(tx, lease.batch_id) if one.verdict is ReviewResult.FAULTY}
    issues = _issues(lease, rejected) if lease.cvat.quirks.issues else {}
    faults = find_faults(lease, task, [job for job in on_server if job.id in to_check])
    now = lease.cvat.jobs(task.id) if to_check else on_server  # in a large batch the check takes minutes
    before = set(on_server)
    unchanged = [job for job in now if job in before]
    faults = {job.id: faults[job.id] for job in unchanged if job.id in faults}
    if lease.cvat.quirks.issues:
        _resolve_repaired(lease, {job: found for job, found in faults.items() if job in went_back})
    with lease.transaction() as tx:
        batch = batches.get(tx, lease.batch_id, lock=True)
        jobs.update_from_server(tx, batch, now, usernames)
        about = Reviewing(batch, unchanged, usernames, rules, can_work, issues, faults)
        reviews.give_up_steps(tx, about)
        steps = reviews.decide_all(tx, about)
    failpoint("review_jobs.decided")
    return steps


def _issues(lease: BatchLease, rejected: Sequence[int]) -> dict[int, list[tuple[int, str]]]:
    """Return what reviewers wrote about rejected jobs."""
    return {
        job: [(one.frame, one.messages[0]) for one in _open_issues(lease, job) if not is_about_fault(one.messages[0])]
        for job in rejected
    }


def _open_issues(lease: BatchLease, job: int) -> list[Issue]:
    """Return the issues of a job that say something and are not resolved."""
    return [issue for issue in lease.cvat.issues(job) if issue.messages and not issue.is_resolved]


def _resolve_repaired(lease: BatchLease, faults: Mapping[int, Sequence[JobFault]]) -> None:
    """Resolve labelyard's own issues of jobs whose faults are none any more."""
    for job, found in faults.items():
        present = {(one.frame, one.issue) for one in listed(found)}
        for issue in _open_issues(lease, job):
            if is_about_fault(issue.messages[0]) and (issue.frame, issue.messages[0]) not in present:
                lease.check()
                lease.cvat.resolve_issue(issue.id)
                failpoint("review_jobs.issue_resolved")


def send_steps(lease: BatchLease, steps: Sequence[PendingStep], usernames: Mapping[int, str]) -> None:
    """Do steps that are committed, and record what the server shows then. Raises CvatErrors."""
    ids = {name: user_id for user_id, name in usernames.items()}
    for one in steps:
        if one.faults and lease.cvat.quirks.issues:
            _write_issues(lease, one)
        lease.check()
        shown = lease.cvat.move_job(one.job_id, one.step, ids[one.assignee] if one.assignee else None)
        failpoint("review_jobs.sent")
        with lease.transaction() as tx:
            jobs.update_from_server(tx, batches.get(tx, lease.batch_id, lock=True), [shown], usernames)
        failpoint("review_jobs.recorded")
        _log.info("%s: job %d: %s, with %s", lease.batch_id, one.job_id, one.step, one.assignee or "nobody")


def _write_issues(lease: BatchLease, step: PendingStep) -> None:
    """Write an issue about each fault of a job that has none of the same words yet."""
    written = {(one.frame, one.messages[0]) for one in _open_issues(lease, step.job_id)}
    for fault in step.faults:
        if (fault.frame, fault.issue) not in written:
            lease.check()
            lease.cvat.create_issue(step.job_id, fault.frame, fault.box, fault.issue)
            written.add((fault.frame, fault.issue))
            failpoint("review_jobs.issue_written")
