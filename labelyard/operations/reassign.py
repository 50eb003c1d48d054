"""Give somebody's open work to others: jobs, reviews, ground truth and replicas. What they have drawn stays."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.review import ReviewRules
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job, JobKind, JobStatus
from labelyard.errors import InputError, LabelyardError
from labelyard.ledger import Transaction, batches, datasets, jobs, quality, reviews, tasks
from labelyard.ledger.quality_tables import QualityJob
from labelyard.ledger.replaced_reviewers import replace_reviewer, reviewed_by
from labelyard.ledger.reviews import Reviewing
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch
from labelyard.pipeline.assign_jobs import Assignment, assign_jobs
from labelyard.pipeline.assign_quality_jobs import replace_in_quality_jobs
from labelyard.pipeline.review_jobs import send_steps

_WITH_WORK = (BatchState.ASSIGNED, BatchState.COMPLETED, BatchState.EXPORTED)
"""States in which somebody may have work: ground truth also after a batch was labelled."""


@dataclass(frozen=True)
class Reassigned:
    """The jobs of a batch that somebody else has now, and why others stay."""

    batch_id: str
    jobs: Sequence[Assignment]
    kept: Sequence[str] = ()

    def require_complete(self) -> None:
        """Raise InputError if something stays with the person."""
        if self.kept:
            what = "; ".join(self.kept)
            raise InputError(what, where=self.batch_id, next_step="name another person with labelyard reassign --to")


@dataclass(frozen=True)
class Reassignment:
    """What was done, by batch, and why not for the other batches; `again` is the command that tries them."""

    done: Sequence[Reassigned]
    failed: Mapping[str, LabelyardError]
    again: str

    @property
    def is_complete(self) -> bool:
        """Whether the person has nothing to do any more."""
        return not self.failed and not any(one.kept for one in self.done)

    def require_complete(self) -> None:
        """Raise a LabelyardError that names everything that was not done, and what to do."""
        if not self.is_complete:
            steps = [*dict.fromkeys(error.next_step for error in self.failed.values() if error.next_step), self.again]
            lines = [f"the jobs of {batch} were not reassigned: {error.what}" for batch, error in self.failed.items()]
            kept = [f"{one.batch_id}: {line}" for one in self.done for line in one.kept]
            if kept:
                steps.insert(0, "name another person with --to, or add one to the dataset file")
            raise LabelyardError("\n".join([*lines, *kept]), next_step="; then: ".join(steps))


@dataclass
class _Replacement:
    """What is done for a batch, and what everybody needs for it. `active` are the ids of those who can get jobs."""

    lease: BatchLease
    task_id: int
    spec: DatasetSpec
    person: str
    to: str | None
    usernames: Mapping[int, str]
    active: Mapping[str, int]
    moved: list[Assignment] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def others(self, names: Sequence[str]) -> list[str]:
        """Return who can get the work: the named person, or those of a list who are not the person."""
        return [name for name in ([self.to] if self.to else names) if name != self.person and name in self.active]


def reassign(context: Context, person: str, to: str | None = None, dataset: str | None = None) -> Reassignment:
    """Give the unfinished jobs, reviews, ground truth and replicas of a person to others.

    By default jobs go to the other annotators by the dataset's policy, reviews to the other reviewers; `to` gets all of
    it, and keeps it as what was assigned in CVAT. Of one dataset or of all. What cannot be moved stays, and a batch for
    which it fails stops no other one. Raises NotFound for an unknown dataset, InputError if the person has no work.
    """
    with context.ledger.read_only() as tx:
        if dataset is not None:
            datasets.spec(tx, dataset)
        found = [batch for batch in _with_work_of(tx, person) if dataset in (None, batches.get(tx, batch).dataset)]
    if not found:
        raise InputError(
            f"{person} has no unfinished job{f' in {dataset}' if dataset else ''}", next_step="labelyard status"
        )
    done: list[Reassigned] = []
    failed: dict[str, LabelyardError] = {}
    for batch_id in found:
        try:
            done.append(reassign_in_batch(context, batch_id, person, to))
        except LabelyardError as error:
            failed[batch_id] = error
    options = [*(["--to", to] if to else []), *(["--dataset", dataset] if dataset else [])]
    return Reassignment(done, failed, shlex.join(["labelyard", "reassign", person, *options]))


def _with_work_of(tx: Transaction, person: str) -> Sequence[str]:
    """Return the batches in which a person has something to do."""
    found = {row.batch_id for row in quality.open_of(tx, person)}
    for batch in batches.in_states(tx, (BatchState.ASSIGNED,)):
        if jobs.unfinished_of(tx, batch.id, person) or reviewed_by(tx, batch.id, person, jobs.of_batch(tx, batch.id)):
            found.add(batch.id)
    return [one for one in sorted(found) if batches.get(tx, one).state in _WITH_WORK]


def leavers(tx: Transaction, spec: DatasetSpec, batch: str) -> Mapping[int, str]:
    """Return the people to whom labelyard gave jobs of a batch and whom the dataset file does not name any more.

    By CVAT's id of each unfinished job, a ground-truth job or replica too; reviews move by themselves.
    """
    reviewed = reviews.jobs_in_review(tx, batch)
    found = {
        job.server_id: job.assignee
        for job in jobs.of_batch(tx, batch)
        if job.assignee and not job.manual and job.assignee not in spec.annotators
        and job.status is not JobStatus.COMPLETED and job.server_id not in reviewed
    }  # fmt: skip
    truth = spec.quality.ground_truth.annotator if spec.quality.ground_truth else None
    for row in quality.of_batch(tx, batch):
        present = [truth] if row.kind is JobKind.GROUND_TRUTH else spec.annotators
        is_ours = row.assignee is not None and row.assignee == row.chosen_assignee
        if is_ours and row.assignee and row.assignee not in present and row.status is not JobStatus.COMPLETED:
            found[row.server_id] = row.assignee
    return found


def reassign_in_batch(context: Context, batch_id: str, person: str, to: str | None = None) -> Reassigned:
    """Do so for one batch that people work on, paused or not.

    Raises InputError if CVAT has no active user `to`, LeaseTaken while a run works on the batch.
    """
    with acquire_batch(context, batch_id, _WITH_WORK, manual=True) as lease:
        with lease.ledger.read_only() as tx:
            spec, state = datasets.spec(tx, lease.spec.name), batches.get(tx, batch_id).state
            _, task_id = tasks.require_current(tx, batch_id)
        usernames = {user.id: user.username for user in lease.cvat.users()}
        active = {user.username: user.id for user in lease.cvat.assignable_users()}
        if to and to not in active:
            raise InputError(
                f"CVAT {lease.spec.cvat} has no active user {to!r}", where=batch_id, next_step="name another person"
            )
        work = _Replacement(lease, task_id, spec, person, to, usernames, active)
        if state is BatchState.ASSIGNED:
            on_server = lease.cvat.jobs(task_id)
            with lease.transaction() as tx:
                jobs.update_from_server(tx, batches.get(tx, batch_id, lock=True), on_server, usernames)
            _move_jobs(work)
            _move_reviews(work, on_server)
        _move_quality_jobs(work)
    return Reassigned(batch_id, work.moved, work.kept)


def _move_jobs(work: _Replacement) -> None:
    """Move the jobs that the person labels."""
    lease, others = work.lease, work.others(work.spec.annotators)
    with lease.transaction() as tx:
        if not others:
            stay = ", ".join(str(row.server_id) for row in jobs.unfinished_of(tx, lease.batch_id, work.person))
            work.kept += [f"no other annotator can get job {stay}"] if stay else []
            return
        moved = {row.server_id for row in jobs.clear_choices_of(tx, lease.batch_id, work.person)}
    if not moved:
        return
    assigned = assign_jobs(lease, others)
    if work.to:
        with lease.transaction() as tx:
            jobs.mark_manual(tx, lease.batch_id, moved)
    work.moved += [one for one in assigned.jobs if one.job_id in moved]


def _move_reviews(work: _Replacement, on_server: Sequence[Job]) -> None:
    """Move the jobs that the person reviews, or will review once they are repaired."""
    lease = work.lease
    rules = work.spec.review.rules() if work.spec.review else ReviewRules(())
    with lease.transaction() as tx:
        batch, rows = batches.get(tx, lease.batch_id, lock=True), jobs.of_batch(tx, lease.batch_id)
        about = Reviewing(batch, on_server, work.usernames, rules, work.active)
        found = replace_reviewer(tx, about, work.person, work.to, rows)
    send_steps(lease, found.steps, work.usernames)
    if work.to:
        with lease.transaction() as tx:  # the next look would take it from one who is no reviewer of the file
            jobs.mark_manual(tx, lease.batch_id, {one.job_id for one in found.steps})
    frames = {row.server_id: f"{row.start_frame}-{row.stop_frame}" for row in rows}
    work.moved += [Assignment(job, frames[job], name, "to review it") for job, name in found.reviewers.items()]
    work.kept += found.kept


def _move_quality_jobs(work: _Replacement) -> None:
    """Move the ground-truth job and the replicas that the person has to complete."""
    lease = work.lease
    with lease.ledger.read_only() as tx:
        if not quality.open_of(tx, work.person, lease.batch_id):
            return
    section = work.spec.quality.ground_truth
    truth = next(iter(work.others([section.annotator] if section else [])), None)
    rows, kept = replace_in_quality_jobs(
        lease, lease.cvat.task(work.task_id), work.usernames, work.active, work.person, truth,
        work.others(work.spec.annotators),
    )  # fmt: skip
    work.moved += [Assignment(row.server_id, *_words(row)) for row in rows]
    work.kept += kept


def _words(row: QualityJob) -> Iterator[str]:
    """Yield the frames of a quality job, who gets it, and what for."""
    is_truth = row.kind is JobKind.GROUND_TRUTH
    yield "chosen ones" if is_truth else f"{row.start_frame}-{row.stop_frame}"
    yield row.chosen_assignee or ""
    yield "ground truth" if is_truth else f"a replica of job {row.parent_id}"
