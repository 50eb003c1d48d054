"""assign_jobs: every job of the task gets an assignee, chosen by the dataset's assignment policy.

The choice is committed before it is sent. Only jobs that are free, or that still hold what was last sent, are touched:
what a person changes by hand in CVAT wins.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from labelyard.domain.assignment import ASSIGNMENT_POLICIES
from labelyard.domain.states import BatchState
from labelyard.errors import SettingsError
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, datasets, jobs, tasks
from labelyard.ledger.tables import Job as JobRow
from labelyard.pipeline.acquire_batch import BatchLease

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assignment:
    """A job, the frames in it, who has it, and why."""

    job_id: int
    frames: str
    annotator: str
    reason: str


@dataclass(frozen=True)
class Assigned:
    """Who has which job now; `missing` are annotators of the dataset that the CVAT does not know."""

    jobs: tuple[Assignment, ...]
    missing: tuple[str, ...]


def assign_jobs(lease: BatchLease) -> Assigned:
    """Hand out every job. Raises SettingsError when none of the dataset's annotators exists on the CVAT."""
    with lease.ledger.read_only() as tx:
        _, task_id = tasks.require_current(tx, lease.batch_id)
        spec = datasets.spec(tx, lease.spec.name)  # the current version: people come and go
    ids = {user.username: user.id for user in lease.cvat.users() if user.is_active}
    people = [name for name in spec.annotators if name in ids]
    missing = tuple(name for name in spec.annotators if name not in ids)
    if not people:
        raise SettingsError(
            f"{lease.spec.cvat} has none of the annotators {', '.join(missing)}",
            where=lease.batch_id,
            next_step=_mend(lease),
        )
    seen = lease.cvat.jobs(task_id)
    with lease.transaction() as tx:
        batch = batches.get(tx, lease.batch_id, lock=True)
        jobs.update_from_server(tx, batch, seen, {number: name for name, number in ids.items()})
        rows = jobs.choose_assignees(tx, batch, people, ASSIGNMENT_POLICIES[spec.assignment.policy])
        batch.warning = _warning(lease, missing)
    failpoint("assign_jobs.chosen")
    for row in rows:
        if not row.manual and row.chosen_assignee is not None and row.assignee != row.chosen_assignee:
            _send(lease, row, ids.get(row.chosen_assignee))
    return _finish(lease, missing)


def _send(lease: BatchLease, row: JobRow, user_id: int | None) -> None:
    if user_id is None:
        raise SettingsError(
            f"user {row.chosen_assignee!r} is gone from {lease.spec.cvat}",
            where=f"job {row.server_id}",
            next_step=_mend(lease),
        )
    lease.check()
    lease.cvat.assign(row.server_id, user_id)
    failpoint("assign_jobs.sent")
    with lease.transaction() as tx:
        jobs.mark_assigned(tx, row.id)
    failpoint("assign_jobs.recorded")
    frames = f"frames {row.start_frame} to {row.stop_frame}"
    _log.info("%s: job %d (%s) to %s", lease.batch_id, row.server_id, frames, row.chosen_assignee)


def _finish(lease: BatchLease, missing: tuple[str, ...]) -> Assigned:
    with lease.transaction() as tx:
        rows = jobs.of_batch(tx, lease.batch_id)
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state is BatchState.READY:
            batches.move(tx, batch, BatchState.ASSIGNED, f"{len(rows)} jobs have people")
    failpoint("assign_jobs.finished")
    if missing:
        _log.warning("%s: %s", lease.batch_id, _warning(lease, missing))
    shown = tuple(
        Assignment(
            row.server_id,
            f"{row.start_frame}-{row.stop_frame}",
            row.assignee or "nobody",
            "by hand" if row.manual else row.choice_reason or "",
        )
        for row in rows
    )
    return Assigned(shown, missing)


def _warning(lease: BatchLease, missing: tuple[str, ...]) -> str | None:
    if not missing:
        return None
    return f"CVAT {lease.spec.cvat} has no user {', '.join(missing)}, so no job went to them: {_mend(lease)}"


def _mend(lease: BatchLease) -> str:
    return f"create the user in CVAT, or change `annotators` and `labelyard apply` the file of {lease.spec.name}"
