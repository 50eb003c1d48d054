"""create_task: one task for the batch on its CVAT, whatever died before.

CVAT cannot create conditionally, takes equal names, and after a lost answer nobody knows. So the name is fixed before
anything is made, the server is asked for it first and again after any unclear answer, and of a doubled creation the
lowest id wins.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from labelyard.cvat import Cvat
from labelyard.domain.frame_matching import match_frames
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Task, TaskSpec
from labelyard.errors import CvatCrashed, CvatDisagrees, CvatNotFound, LeaseLost, UnclearAnswer
from labelyard.failpoints import failpoint
from labelyard.ledger import Transaction, batches, tasks
from labelyard.ledger.tables import Task as TaskRow
from labelyard.pipeline.acquire_batch import BatchLease

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Created:
    """The batch's task; `how` is created, adopted (it was there) or kept (the ledger knew it)."""

    task_id: int
    name: str
    url: str
    how: str


def create_task(lease: BatchLease) -> Created:
    """Make the batch's task, or find it. Raises CvatDisagrees where a task of its name is not ours."""
    with lease.transaction() as tx:
        row = tasks.current(tx, lease.batch_id) or tasks.plan(tx, batches.get(tx, lease.batch_id), lease.spec.cvat)
        expected = len(batches.members(tx, lease.batch_id, quarantined=False))
    if row.server_id is not None:
        return _kept(lease, row)
    failpoint("create_task.planned")
    spec = _task_spec(lease, row.name)
    task = _adopt(lease, spec, expected)
    if task is not None:
        return _record(lease, row, task, "adopted")
    made = _create(lease, spec)
    try:
        task = _adopt(lease, spec, expected)
        if task is None:
            raise CvatDisagrees(f"the task {spec.name!r} was created and is not listed", where=lease.cvat.url)
        return _record(lease, row, task, "created")
    except LeaseLost:
        _take_back(lease, row, made)
        raise


def _kept(lease: BatchLease, row: TaskRow) -> Created:
    assert row.server_id is not None
    try:
        lease.cvat.task(row.server_id)
    except CvatNotFound:
        with lease.transaction() as tx:
            tasks.recreate(tx, row.id, "it was deleted in CVAT")
        return create_task(lease)
    return Created(row.server_id, row.name, row.url or "", "kept")


def _task_spec(lease: BatchLease, name: str) -> TaskSpec:
    section = lease.spec.task
    return TaskSpec(
        name, section.cvat_labels(), section.segment_size, section.overlap, section.z_order, section.bug_tracker
    )


def _create(lease: BatchLease, spec: TaskSpec) -> Task | None:
    """The new task; None where the answer is unclear and the server has one now."""
    lease.check()
    failpoint("create_task.searched")
    try:
        made = lease.cvat.create_task(spec)
    except (UnclearAnswer, CvatCrashed) as error:
        _log.warning("%s: creating %r: %s; looking at the server", lease.batch_id, spec.name, error)
        if not lease.cvat.find_tasks(spec.name):  # a 500 may leave a task behind, and a cut connection a whole one
            raise
        return None
    failpoint("create_task.sent")
    return made


def _take_back(lease: BatchLease, row: TaskRow, made: Task | None) -> None:
    """Delete what this run made after it had lost its claim, unless whoever has the batch now took just that."""
    with lease.ledger.read_only() as tx:
        known = tx.get_one(TaskRow, row.id).server_id
    if made is not None and known not in (None, made.id):  # None: whoever has the batch still looks for tasks
        _log.warning("%s: deleting task %d, which nobody waits for any more", lease.batch_id, made.id)
        lease.cvat.delete_task(made.id)


def remove_duplicates(lease: BatchLease) -> None:
    """Delete empty tasks of ours that are called like one that was made, or was to be made, for the batch.

    A creation whose answer never came may have had its effect late, and a run that had lost its claim made one.
    """
    me = lease.cvat.whoami().id
    with lease.ledger.read_only() as tx:
        _, task_id = tasks.require_current(tx, lease.batch_id)
        names = [row.name for row in tasks.of_batch(tx, lease.batch_id)]
    for task in [task for name in names for task in lease.cvat.find_tasks(name)]:
        if task.id != task_id and task.owner == me and not (task.size or task.received):
            lease.check()
            _log.warning("%s: deleting task %d, an empty twin of %r", lease.batch_id, task.id, task.name)
            lease.cvat.delete_task(task.id)


def _adopt(lease: BatchLease, spec: TaskSpec, expected: int) -> Task | None:
    """The task of this name that is ours and fits; extra ones of ours that are empty are deleted."""
    me = lease.cvat.whoami().id
    found = lease.cvat.find_tasks(spec.name)
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
                where=lease.cvat.url,
                next_step=f"rename or delete {task_url(lease.cvat, task.id)}, then: labelyard retry {lease.batch_id}",
            )
        lease.check()
        _log.warning("%s: deleting task %d, an empty twin of %r", lease.batch_id, task.id, spec.name)
        lease.cvat.delete_task(task.id)
        failpoint("create_task.duplicate_deleted")
    return keep


def _same_labels(task: Task, spec: TaskSpec) -> bool:
    return set(task.labels) == set(spec.labels)


def _record(lease: BatchLease, row: TaskRow, task: Task, how: str) -> Created:
    url = task_url(lease.cvat, task.id)
    shown = [frame.name for frame in lease.cvat.frames(task.id)] if task.size else []
    with lease.transaction() as tx:
        tasks.mark_created(tx, row.id, task.id, url)
        if shown:
            _recognize(lease, tx, row, task, shown)
        _move_on(lease, tx, f"task {task.id} {how}: {row.name}")
    failpoint("create_task.recorded")
    _log.info("%s: task %d %s: %s", lease.batch_id, task.id, how, url)
    return Created(task.id, row.name, url, how)


def _recognize(lease: BatchLease, tx: Transaction, row: TaskRow, task: Task, frames: Sequence[str]) -> None:
    """The task holds its files already, and the ledger has forgotten (a power cut, a backup): never upload again."""
    members = {member.stored: member for member in batches.members(tx, lease.batch_id, quarantined=False, lock=True)}
    held = match_frames(frames, members, {})
    if len(held) < len(frames):
        raise CvatDisagrees(
            f"task {task.id} is called {row.name!r} and holds frames that are not objects of the batch",
            where=lease.cvat.url,
            next_step=f"rename or delete {task_url(lease.cvat, task.id)}, then: labelyard retry {lease.batch_id}",
        )
    for name, obj in held.items():
        members[obj].upload_name = name
    tasks.mark_upload_begun(tx, row.id, len(frames))
    tasks.mark_uploaded(tx, row.id, "")


def _move_on(lease: BatchLease, tx: Transaction, reason: str) -> None:
    batch = batches.get(tx, lease.batch_id, lock=True)
    if batch.state is BatchState.CLOSED:
        batches.move(tx, batch, BatchState.CREATED, reason)


def task_url(cvat: Cvat, task_id: int) -> str:
    """Where a person opens the task."""
    return f"{cvat.url}/tasks/{task_id}"
