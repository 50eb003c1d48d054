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
from labelyard.errors import ClaimLost, CvatCrashed, CvatDisagrees, CvatNotFound, UnclearAnswer
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
    with work.write() as session:
        row = tasks.current(session, work.batch_id) or tasks.plan(
            session, batches.get(session, work.batch_id), work.spec.cvat
        )
        expected = len(batches.members(session, work.batch_id, refused=False))
    if row.server_id is not None:
        return _kept(work, row)
    point("create_task.planned")
    spec = _task_spec(work, row.name)
    task = _adopt(work, spec, expected)
    if task is not None:
        return _record(work, row, task, "adopted")
    made = _create(work, spec)
    try:
        task = _adopt(work, spec, expected)
        if task is None:
            raise CvatDisagrees(f"the task {spec.name!r} was created and is not listed", where=work.cvat.url)
        return _record(work, row, task, "created")
    except ClaimLost:
        _take_back(work, row, made)
        raise


def _kept(work: Work, row: TaskRow) -> Created:
    assert row.server_id is not None
    try:
        work.cvat.task(row.server_id)
    except CvatNotFound:
        with work.write() as session:
            tasks.make_anew(work.ledger, session, row.id, "it was deleted in CVAT")
        return create_task(work)
    return Created(row.server_id, row.name, row.url or "", "kept")


def _task_spec(work: Work, name: str) -> TaskSpec:
    section = work.spec.task
    return TaskSpec(
        name, section.cvat_labels(), section.segment_size, section.overlap, section.z_order, section.bug_tracker
    )


def _create(work: Work, spec: TaskSpec) -> Task | None:
    """The new task; None where the answer is unclear and the server has one now."""
    work.check()
    point("create_task.looked")
    try:
        made = work.cvat.create_task(spec)
    except (UnclearAnswer, CvatCrashed) as error:
        _log.warning("%s: creating %r: %s; looking at the server", work.batch_id, spec.name, error)
        if not work.cvat.find_tasks(spec.name):  # a 500 may leave a task behind, and a cut connection a whole one
            raise
        return None
    point("create_task.sent")
    return made


def _take_back(work: Work, row: TaskRow, made: Task | None) -> None:
    """Delete what this run made after it had lost its claim, unless whoever has the batch now took just that."""
    with work.ledger.read() as session:
        known = session.get_one(TaskRow, row.id).server_id
    if made is not None and known not in (None, made.id):  # None: whoever has the batch still looks for tasks
        _log.warning("%s: deleting task %d, which nobody waits for any more", work.batch_id, made.id)
        work.cvat.delete_task(made.id)


def remove_twins(work: Work) -> None:
    """Delete empty tasks of ours that are called like one that was made, or was to be made, for the batch.

    A creation whose answer never came may have had its effect late, and a run that had lost its claim made one.
    """
    me = work.cvat.whoami().id
    with work.ledger.read() as session:
        _, task_id = tasks.made(session, work.batch_id)
        names = [row.name for row in tasks.of_batch(session, work.batch_id)]
    for task in [task for name in names for task in work.cvat.find_tasks(name)]:
        if task.id != task_id and task.owner == me and not (task.size or task.received):
            work.check()
            _log.warning("%s: deleting task %d, an empty twin of %r", work.batch_id, task.id, task.name)
            work.cvat.delete_task(task.id)


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
    with work.write() as session:
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
            f"task {task.id} is called {row.name!r} and holds frames that are not objects of the batch",
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
