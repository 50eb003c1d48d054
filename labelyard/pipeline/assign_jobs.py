"""assign_jobs: assign every job of the task to an annotator, by the dataset's assignment policy.

The choice is committed before it is sent. Only jobs that are free, or that still have the assignee sent last, are
changed: a change that a person makes in CVAT wins. A job that nobody may get now waits, and `assign_waiting_jobs`
chooses again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from labelyard.config import DatasetSpec
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job, JobKind
from labelyard.errors import SettingsError
from labelyard.failpoints import failpoint
from labelyard.ledger import absences, assignments, batches, datasets, jobs, tasks
from labelyard.ledger.quality_tables import QualityJob
from labelyard.ledger.tables import Job as JobRow
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.assign_quality_jobs import assign_quality_jobs
from labelyard.pipeline.job_skills import needed_skills

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assignment:
    """A job, its frames, its assignee, and why this one."""

    job_id: int
    frames: str
    annotator: str
    reason: str


@dataclass(frozen=True)
class Assigned:
    """The assignment of every job; `missing` are annotators of the dataset to whom CVAT can give no job.

    The annotator of a job that waits is "nobody", and its reason says why.
    """

    jobs: tuple[Assignment, ...]
    missing: tuple[str, ...]
    sent: int = 0
    """How many jobs were changed on the server; those of ground truth and replicas do not count."""


def assign_jobs(lease: BatchLease, people: Sequence[str] = (), *, quality: bool = True) -> Assigned:
    """Assign every job, to `people` or by default to the dataset's annotators, or let it wait.

    A look at jobs that wait leaves ground truth and replicas as they are (`quality`). Raises SettingsError if CVAT has
    none of the people: then no job waits any more, because a person has to do something.
    """
    usernames = {user.id: user.username for user in lease.cvat.users()}
    active = {user.username: user.id for user in lease.cvat.assignable_users()}
    spec = _current_spec(lease)
    annotators = people or spec.annotators
    truth = spec.quality.ground_truth.annotator if spec.quality.ground_truth else None
    present = [name for name in annotators if name in active]
    missing = tuple(name for name in dict.fromkeys((*annotators, *([truth] if truth else []))) if name not in active)
    if not present:
        what = f"{lease.spec.cvat} has none of the annotators {', '.join(missing)}{_among_members(lease)}"
        _stop_waiting(lease, active, what)
        raise SettingsError(
            what,
            where=lease.batch_id,
            next_step=_how_to_fix(lease),
        )
    is_first = _state(lease) is BatchState.READY
    sent = 0
    for row in _choose(lease, spec, usernames, present, missing, active):
        # Nobody knows a new task yet. In an older one a person may change a job while the others are sent.
        if jobs.state_of(row).is_unsent and (is_first or _is_as_recorded(lease, row, usernames)):
            _assign(lease, row, active)
            sent += 1
    checking: Sequence[QualityJob] = ()
    if quality and lease.spec.quality.is_used:
        task = lease.cvat.task(_task_id(lease))
        labelling = _present(lease, [name for name in spec.annotators if name in active] or present)
        checking = assign_quality_jobs(lease, task, usernames, active, truth if truth in active else None, labelling)
    return _record_assigned(lease, missing, checking, sent)


def _state(lease: BatchLease) -> BatchState:
    with lease.ledger.read_only() as tx:
        return batches.get(tx, lease.batch_id).state


def _present(lease: BatchLease, names: Sequence[str]) -> Sequence[str]:
    """Return who is not away; all of them where a job has more replicas than people are there."""
    with lease.ledger.read_only() as tx:
        away = absences.current(tx)
    found = [name for name in names if name not in away]
    return found if len(found) >= (lease.spec.quality.replicas or 1) else names


def _stop_waiting(lease: BatchLease, active: Collection[str], why: str) -> None:
    with lease.transaction() as tx:
        datasets.lock(tx, lease.spec.name)
        batch = batches.get(tx, lease.batch_id, lock=True)
        assignments.give_up_choices(tx, batch.id, active)
        assignments.stop_waiting(tx, batch, why)


def _task_id(lease: BatchLease) -> int:
    with lease.ledger.read_only() as tx:
        return tasks.require_current(tx, lease.batch_id)[1]


def _current_spec(lease: BatchLease) -> DatasetSpec:
    """Return the dataset file as it is now: a batch may have an older version."""
    with lease.ledger.read_only() as tx:
        return datasets.spec(tx, lease.spec.name)


def _choose(
    lease: BatchLease,
    spec: DatasetSpec,
    usernames: Mapping[int, str],
    present: Sequence[str],
    missing: tuple[str, ...],
    active: Collection[str],
) -> Sequence[JobRow]:
    """Record what CVAT says of the jobs, choose an annotator for each free one, and return all jobs."""
    task_id = _task_id(lease)
    on_server = lease.cvat.jobs(task_id)
    skills = needed_skills(lease, spec, task_id, _unknown_needs(lease, on_server)) if spec.assignment.skills else {}
    with lease.transaction() as tx:
        datasets.lock(tx, lease.spec.name)  # before the batch, as registering does: it counts the assigned jobs
        batch = batches.get(tx, lease.batch_id, lock=True)
        jobs.update_from_server(tx, batch, on_server, usernames)
        if lease.spec.quality.replicas:
            rows = jobs.of_batch(tx, batch.id)  # people label their replicas
        else:
            assignments.record_skills(tx, batch.id, skills)
            assignments.give_up_choices(tx, batch.id, active)
            rows = assignments.choose_assignees(
                tx, batch, present, spec.assignment.rules(), {one.id for one in on_server}
            )
        batch.warning = _warning(lease, missing)
    failpoint("assign_jobs.chosen")
    return rows


def _unknown_needs(lease: BatchLease, on_server: Sequence[Job]) -> Sequence[Job]:
    """Return the jobs of which the ledger does not know what they need."""
    with lease.ledger.read_only() as tx:
        known = {row.server_id for row in jobs.of_batch(tx, lease.batch_id) if row.skills is not None}
    return [job for job in on_server if job.id not in known]


def _is_as_recorded(lease: BatchLease, row: JobRow, usernames: Mapping[int, str]) -> bool:
    """Return whether nobody has changed a job since all jobs were read: many may have been sent meanwhile."""
    shown = lease.cvat.job(row.server_id)
    return jobs.assignee_name(shown, usernames) == row.assignee and shown.status is row.status


def _assign(lease: BatchLease, row: JobRow, active: Mapping[str, int]) -> None:
    """Send a choice. A job that waits loses the assignee that it had."""
    user_id = active.get(row.chosen_assignee or "")
    if row.chosen_assignee is not None and user_id is None:
        what = f"{lease.spec.cvat} has no user {row.chosen_assignee!r} any more{_among_members(lease)}"
        raise SettingsError(what, where=f"job {row.server_id}", next_step=_how_to_fix(lease))
    lease.check()
    lease.cvat.assign(row.server_id, user_id)
    failpoint("assign_jobs.sent")
    with lease.transaction() as tx:
        jobs.mark_assigned(tx, row.id)
    failpoint("assign_jobs.recorded")
    frames = f"frames {row.start_frame} to {row.stop_frame}"
    _log.info("%s: job %d (%s) assigned to %s", lease.batch_id, row.server_id, frames, row.chosen_assignee or "nobody")


def _record_assigned(
    lease: BatchLease, missing: tuple[str, ...], checking: Sequence[QualityJob], sent: int
) -> Assigned:
    with lease.transaction() as tx:
        rows = jobs.of_batch(tx, lease.batch_id)
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state is BatchState.READY:
            waiting = len(assignments.waiting(tx, lease.batch_id))
            words = f"{len(rows) - waiting} jobs are assigned"
            batches.move(tx, batch, BatchState.ASSIGNED, f"{words}, {waiting} wait" if waiting else words)
    failpoint("assign_jobs.finished")
    if missing:
        _log.warning("%s: %s", lease.batch_id, _warning(lease, missing))
    return Assigned((*map(_assignment, rows), *map(_checking_assignment, checking)), missing, sent)


def _assignment(row: JobRow) -> Assignment:
    reason = "manually" if row.manual else row.choice_reason or ""
    return Assignment(row.server_id, f"{row.start_frame}-{row.stop_frame}", row.assignee or "nobody", reason)


def _checking_assignment(row: QualityJob) -> Assignment:
    reason = "ground truth" if row.kind is JobKind.GROUND_TRUTH else f"a replica of job {row.parent_id}"
    return Assignment(row.server_id, f"{row.start_frame}-{row.stop_frame}", row.assignee or "nobody", reason)


def _warning(lease: BatchLease, missing: tuple[str, ...]) -> str | None:
    if not missing:
        return None
    whom = f"{', '.join(missing)}{_among_members(lease)}"
    return f"CVAT {lease.spec.cvat} has no user {whom}, so no job went to them: {_how_to_fix(lease)}"


def _among_members(lease: BatchLease) -> str:
    organization = lease.cvat.organization
    return f" among the active members of the organization {organization}" if organization else ""


def _how_to_fix(lease: BatchLease) -> str:
    organization = lease.cvat.organization
    add = f"invite the user to {organization} in CVAT" if organization else "create the user in CVAT"
    return f"{add}, or change `annotators` and `labelyard apply` the file of {lease.spec.name}"
