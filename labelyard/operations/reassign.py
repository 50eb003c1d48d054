"""Give somebody's open work to others: jobs, reviews, ground truth and replicas. What they have drawn stays."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.reassignment import Kept, Leaver, LostRole, nobody_else
from labelyard.domain.review import ReviewRules
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job, JobKind, JobStatus
from labelyard.errors import InputError, LabelyardError
from labelyard.ledger import Transaction, batches, datasets, jobs, quality, reviews, tasks
from labelyard.ledger.quality import Replacing
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
    """The jobs of a batch that somebody else has now, and those that stay."""

    batch_id: str
    jobs: Sequence[Assignment]
    kept: Sequence[Kept] = ()

    @property
    def failed(self) -> Sequence[Kept]:
        """What stays although no person has to decide about it in CVAT."""
        return [one for one in self.kept if not one.is_decision]

    def require_complete(self) -> None:
        """Raise InputError if something stays with the person that another command can move."""
        if self.failed:
            what = "; ".join(one.what for one in self.failed)
            steps = dict.fromkeys(one.next_step for one in self.failed)
            raise InputError(what, where=self.batch_id, next_step="; then: ".join(steps))


@dataclass(frozen=True)
class Reassignment:
    """What was done, by batch, and why not for the other batches; `again` is the command that tries them."""

    done: Sequence[Reassigned]
    failed: Mapping[str, LabelyardError]
    again: str

    @property
    def is_complete(self) -> bool:
        """Whether the person has nothing left but what somebody has to decide in CVAT."""
        return not self.failed and not any(one.failed for one in self.done)

    def require_complete(self) -> None:
        """Raise a LabelyardError that names everything that was not done, and what to do."""
        if not self.is_complete:
            kept = [(one.batch_id, each) for one in self.done for each in one.failed]
            of_errors = [error.next_step for error in self.failed.values() if error.next_step]
            steps = dict.fromkeys([*(each.next_step for _, each in kept), *of_errors, self.again])
            lines = [f"the jobs of {batch} were not reassigned: {error.what}" for batch, error in self.failed.items()]
            lines += [f"{batch}: {each.what}" for batch, each in kept]
            raise LabelyardError("\n".join(lines), next_step="; then: ".join(steps))


@dataclass
class _Replacement:
    """What is done for a batch, and what everybody needs for it. `active` are the ids of those who can get jobs."""

    lease: BatchLease
    task_id: int
    spec: DatasetSpec
    person: str
    to: str | None
    only: Collection[int] | None
    usernames: Mapping[int, str]
    active: Mapping[str, int]
    moved: list[Assignment] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

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


def leavers(tx: Transaction, spec: DatasetSpec, batch: str) -> Mapping[int, Leaver]:
    """Return the people to whom labelyard gave jobs of a batch and whom the dataset file does not name for these.

    By CVAT's id of each unfinished job, a ground-truth job or replica too. Reviews move by themselves. Ground truth
    stays where it is if the file names nobody for it.
    """
    reviewed = reviews.jobs_in_review(tx, batch)
    found = {
        job.server_id: Leaver(job.assignee, LostRole.ANNOTATOR)
        for job in jobs.of_batch(tx, batch)
        if job.assignee and not job.manual and job.assignee not in spec.annotators
        and job.status is not JobStatus.COMPLETED and job.server_id not in reviewed
        and job.choice_reason != jobs.A_PERSON_CHOSE
    }  # fmt: skip
    section = spec.quality.ground_truth
    for row in quality.of_batch(tx, batch):
        is_truth = row.kind is JobKind.GROUND_TRUTH
        if row.assignee is None or row.manual or row.status is JobStatus.COMPLETED or (is_truth and section is None):
            continue
        present = [section.annotator] if is_truth and section else spec.annotators
        if row.assignee in (row.chosen_assignee, row.replaced) and row.assignee not in present:
            role = LostRole.GROUND_TRUTH if is_truth else LostRole.ANNOTATOR
            found[row.server_id] = Leaver(row.assignee, role)
    return found


def reassign_in_batch(
    context: Context, batch_id: str, person: str, to: str | None = None, only: Collection[int] | None = None
) -> Reassigned:
    """Do so for one batch that people work on, paused or not; of some jobs `only`, and no reviews then.

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
        work = _Replacement(lease, task_id, spec, person, to, only, usernames, active)
        if state is BatchState.ASSIGNED:
            on_server = lease.cvat.jobs(task_id)
            with lease.transaction() as tx:
                jobs.update_from_server(tx, batches.get(tx, batch_id, lock=True), on_server, usernames)
            _move_jobs(work)
            if only is None:
                _move_reviews(work, on_server)
        _move_quality_jobs(work)
    return Reassigned(batch_id, work.moved, work.kept)


def _move_jobs(work: _Replacement) -> None:
    """Move the jobs that the person labels."""
    lease, others = work.lease, work.others(work.spec.annotators)
    with lease.transaction() as tx:
        mine = jobs.unfinished_of(tx, lease.batch_id, work.person)
        rows = [row for row in mine if work.only is None or row.server_id in work.only]
        if not rows:
            return
        if not others:
            stay = ", ".join(str(row.server_id) for row in rows)
            work.kept.append(nobody_else(work.person, f"no other annotator can get job {stay}"))
            return
        jobs.replace_choices(rows, work.to)
        moved = {row.server_id for row in rows}
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
        lease, lease.cvat.task(work.task_id), work.usernames, work.active, work.person,
        Replacing(truth, work.others(work.spec.annotators), manual=work.to is not None, only=work.only),
    )  # fmt: skip
    work.moved += [Assignment(row.server_id, *_words(row)) for row in rows]
    work.kept += kept


def _words(row: QualityJob) -> Iterator[str]:
    """Yield the frames of a quality job, who gets it, and what for."""
    is_truth = row.kind is JobKind.GROUND_TRUTH
    yield "chosen ones" if is_truth else f"{row.start_frame}-{row.stop_frame}"
    yield row.chosen_assignee or ""
    yield "ground truth" if is_truth else f"a replica of job {row.parent_id}"
