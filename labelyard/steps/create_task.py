"""create_task: one task for the batch on its CVAT, whatever died before.

CVAT cannot create conditionally, takes equal names, and after a lost answer nobody knows. So the name is fixed before
anything is made, the server is asked for it first and again after any unclear answer, and of a doubled creation the
lowest id wins.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from labelyard.crashing import point
from labelyard.cvat import Cvat
from labelyard.errors import CvatCrashed, CvatDisagrees, CvatNotFound, UnclearAnswer
from labelyard.ledger import batches, tasks
from labelyard.ledger.tables import Task as TaskRow
from labelyard.model import Task, TaskSpec
from labelyard.plan.lifecycle import BatchState
from labelyard.plan.matching import match
from labelyard.steps.claiming import Work

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Created:
    """The batch's task; `how` is created, adopted (it was there) or kept (the ledger knew it)."""

    task_id: int
    name: str
    url: str
    how: str


def create_task(work: Work) -> Created:
    """Make the batch's task, or find it. Raises CvatDisagrees where a task of its name is not ours."""
    with work.ledger.write() as session:
        row = tasks.current(session, work.batch_id) or tasks.plan(
            session, batches.get(session, work.batch_id), work.spec.cvat
        )
        expected = len(batches.members(session, work.batch_id, refused=False))
    if row.server_id is not None:
        return _kept(work, row)
    point("create_task.planned")
    spec = _task_spec(work, row.name)
    task, how = _adopt(work, spec, expected), "adopted"
    if task is None:
        task, how = _create(work, spec, expected), "created"
    return _record(work, row, task, how)


def _kept(work: Work, row: TaskRow) -> Created:
    assert row.server_id is not None
    try:
        work.cvat.task(row.server_id)
    except CvatNotFound:
        with work.ledger.write() as session:
            tasks.abandon(work.ledger, session, row.id, "it was deleted in CVAT")
        return create_task(work)
    return Created(row.server_id, row.name, row.url or "", "kept")


def _task_spec(work: Work, name: str) -> TaskSpec:
    section = work.spec.task
    return TaskSpec(
        name, section.cvat_labels(), section.segment_size, section.overlap, section.z_order, section.bug_tracker
    )


def _create(work: Work, spec: TaskSpec, expected: int) -> Task:
    work.check()
    point("create_task.looked")
    try:
        work.cvat.create_task(spec)
    except (UnclearAnswer, CvatCrashed) as error:
        _log.warning("%s: creating %r: %s; looking at the server", work.batch_id, spec.name, error)
        found = _adopt(work, spec, expected)  # a 500 may leave a task behind, and a cut connection a whole one
        if found is None:
            raise
        return found
    point("create_task.sent")
    found = _adopt(work, spec, expected)
    if found is None:
        raise CvatDisagrees(f"the task {spec.name!r} was created and is not listed", where=work.cvat.url)
    return found


def _adopt(work: Work, spec: TaskSpec, expected: int) -> Task | None:
    """The task of this name that is ours and fits; extra ones of ours that are empty are deleted."""
    me = work.cvat.whoami().id
    found = work.cvat.find_tasks(spec.name)
    fitting = [
        t for t in found if t.owner == me and _same_labels(t, spec) and t.size == (expected if t.received else 0)
    ]
    keep = min(fitting, key=lambda task: task.id, default=None)
    for task in found:
        if task is keep:
            continue
        if task.owner != me or task.size or task.received:
            raise CvatDisagrees(
                f"task {task.id} is called {spec.name!r} too, and is not an empty one of ours",
                where=work.cvat.url,
                next_step=f"rename or delete {page_of(work.cvat, task.id)}, then: labelyard retry {work.batch_id}",
            )
        work.check()
        _log.warning("%s: deleting task %d, an empty twin of %r", work.batch_id, task.id, spec.name)
        work.cvat.delete_task(task.id)
        point("create_task.twin_deleted")
    return keep


def _same_labels(task: Task, spec: TaskSpec) -> bool:
    return set(task.labels) == set(spec.labels)


def _record(work: Work, row: TaskRow, task: Task, how: str) -> Created:
    url = page_of(work.cvat, task.id)
    shown = [frame.name for frame in work.cvat.frames(task.id)] if task.size else []
    with work.ledger.write() as session:
        tasks.created(session, row.id, task.id, url)
        if shown:
            _recognize(work, session, row, task, shown)
        _move_on(work, session, f"task {task.id} {how}: {row.name}")
    point("create_task.recorded")
    _log.info("%s: task %d %s: %s", work.batch_id, task.id, how, url)
    return Created(task.id, row.name, url, how)


def _recognize(work: Work, session: Session, row: TaskRow, task: Task, frames: Sequence[str]) -> None:
    """The task holds its files already, and the ledger has forgotten (a power cut, a backup): never upload again."""
    members = {member.stored: member for member in batches.members(session, work.batch_id, refused=False, lock=True)}
    held = match(frames, members, {})
    if len(held) < len(frames):
        raise CvatDisagrees(
            f"task {task.id} is called {row.name!r} and holds frames that are no objects of the batch",
            where=work.cvat.url,
            next_step=f"rename or delete {page_of(work.cvat, task.id)}, then: labelyard retry {work.batch_id}",
        )
    for name, obj in held.items():
        members[obj].upload_name = name
    tasks.upload_begins(work.ledger, session, row.id, len(frames))
    tasks.uploaded(session, row.id, "")


def _move_on(work: Work, session: Session, reason: str) -> None:
    batch = batches.get(session, work.batch_id, lock=True)
    if batch.state is BatchState.CLOSED:
        batches.move(work.ledger, session, batch, BatchState.CREATED, reason)


def page_of(cvat: Cvat, task_id: int) -> str:
    """Where a person opens the task."""
    return f"{cvat.url}/tasks/{task_id}"
