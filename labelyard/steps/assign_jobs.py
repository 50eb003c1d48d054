"""assign_jobs: every job of the task gets a person, round robin over the dataset's annotators.

The choice is committed before it is sent. Only jobs that are free, or that still hold what was last sent, are touched:
what a person changes by hand in CVAT wins.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from labelyard.crashing import point
from labelyard.errors import SettingsError
from labelyard.ledger import batches, datasets, jobs, tasks
from labelyard.ledger.tables import Job as JobRow
from labelyard.plan.lifecycle import BatchState
from labelyard.steps.claiming import Work

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


def assign_jobs(work: Work) -> Assigned:
    """Hand out every job. Raises SettingsError when none of the dataset's annotators exists on the CVAT."""
    with work.ledger.read() as session:
        _, task_id = tasks.made(session, work.batch_id)
        annotators = datasets.spec(session, work.spec.name).annotators  # of today: people come and go
    ids = {user.username: user.id for user in work.cvat.users() if user.is_active}
    people = [name for name in annotators if name in ids]
    missing = tuple(name for name in annotators if name not in ids)
    if not people:
        raise SettingsError(
            f"{work.spec.cvat} has none of the annotators {', '.join(missing)}",
            where=work.batch_id,
            next_step=_mend(work),
        )
    seen = work.cvat.jobs(task_id)
    with work.write() as session:
        batch = batches.get(session, work.batch_id, lock=True)
        jobs.see(work.ledger, session, batch, seen, {number: name for name, number in ids.items()})
        rows = jobs.choose(session, batch, people)
        batch.warning = _warning(work, missing)
    point("assign_jobs.chosen")
    for row in rows:
        if not row.by_hand and row.chosen is not None and row.assignee != row.chosen:
            _send(work, row, ids.get(row.chosen))
    return _finish(work, missing)


def _send(work: Work, row: JobRow, user_id: int | None) -> None:
    if user_id is None:
        raise SettingsError(
            f"user {row.chosen!r} is gone from {work.spec.cvat}", where=f"job {row.server_id}", next_step=_mend(work)
        )
    work.check()
    work.cvat.assign(row.server_id, user_id)
    point("assign_jobs.sent")
    with work.write() as session:
        jobs.sent(work.ledger, session, row.id)
    point("assign_jobs.recorded")
    _log.info(
        "%s: job %d (frames %d to %d) to %s", work.batch_id, row.server_id, row.start_frame, row.stop_frame, row.chosen
    )


def _finish(work: Work, missing: tuple[str, ...]) -> Assigned:
    with work.write() as session:
        rows = jobs.of_batch(session, work.batch_id)
        batch = batches.get(session, work.batch_id, lock=True)
        if batch.state is BatchState.READY:
            batches.move(work.ledger, session, batch, BatchState.ASSIGNED, f"{len(rows)} jobs have people")
    point("assign_jobs.finished")
    if missing:
        _log.warning("%s: %s", work.batch_id, _warning(work, missing))
    shown = tuple(
        Assignment(
            row.server_id,
            f"{row.start_frame}-{row.stop_frame}",
            row.assignee or "nobody",
            "by hand" if row.by_hand else row.reason or "",
        )
        for row in rows
    )
    return Assigned(shown, missing)


def _warning(work: Work, missing: tuple[str, ...]) -> str | None:
    if not missing:
        return None
    return f"CVAT {work.spec.cvat} has no user {', '.join(missing)}, so no job went to them: {_mend(work)}"


def _mend(work: Work) -> str:
    return f"create the user in CVAT, or change `annotators` and `labelyard apply` the file of {work.spec.name}"
