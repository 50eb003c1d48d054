"""create_task: create exactly one CVAT task for the batch.

CVAT cannot create conditionally, accepts equal names, and after a lost response nobody knows whether it created the
task. So the name is fixed before anything is sent, the server is searched for it before the creation and after any
unclear response, and of duplicates the lowest id remains.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from labelyard.cvat import Cvat
from labelyard.domain.frame_matching import match_frames
from labelyard.domain.quality import file_names
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Task, TaskSpec
from labelyard.errors import CvatCrashed, CvatDisagrees, CvatNotFound, CvatRefused, LeaseLost, UnclearAnswer
from labelyard.failpoints import failpoint
from labelyard.ledger import Transaction, batches, tasks
from labelyard.ledger.tables import Task as TaskRow
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.create_project import create_project
from labelyard.pipeline.leftover_tasks import delete_leftover_tasks, end_without_task

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Created:
    """The batch's task; `how` is "created", "adopted" (found on the server) or "kept" (in the ledger before)."""

    task_id: int
    name: str
    url: str
    how: str


def create_task(lease: BatchLease) -> Created:
    """Create the batch's task, or find it.

    Raises CvatDisagrees if a task of its name is not ours, NoUsableImage if all objects are quarantined by now.
    """
    with lease.transaction() as tx:
        row = tasks.current(tx, lease.batch_id) or tasks.plan(tx, batches.get(tx, lease.batch_id), lease.spec.cvat)
        files = len(batches.members(tx, lease.batch_id, quarantined=False))
    if row.server_id is not None:
        return _known_task(lease, row, row.server_id)
    if not files:
        end_without_task(lease)
    failpoint("create_task.planned")
    spec = _task_spec(lease, row.name, create_project(lease))
    me = lease.cvat.whoami().id
    found = _keep_one_task(lease, spec, files, me)
    if found is not None:
        return _record_task(lease, row, found, "adopted")
    _create_or_search_after_lost_response(lease, spec)
    try:
        created = _keep_one_task(lease, spec, files, me)
        if created is None:
            raise CvatDisagrees(f"the task {spec.name!r} was created and is not listed", where=lease.cvat.url)
        return _record_task(lease, row, created, "created")
    except LeaseLost:
        # Left alone while the new holder is at work: it looks for tasks of this name itself.
        delete_leftover_tasks(lease.ledger, lease.cvat, lease.batch_id)
        raise


def task_url(cvat: Cvat, task_id: int) -> str:
    """Return the address at which a person opens the task."""
    return f"{cvat.url}/tasks/{task_id}"


def _known_task(lease: BatchLease, row: TaskRow, task_id: int) -> Created:
    """Return the task of the ledger if the server still has it; else create another one."""
    try:
        lease.cvat.task(task_id)
    except CvatNotFound:
        with lease.transaction() as tx:
            tasks.recreate(tx, row.id, "it was deleted in CVAT")
        return create_task(lease)
    return Created(task_id, row.name, row.url or "", "kept")


def _task_spec(lease: BatchLease, name: str, project: int | None) -> TaskSpec:
    section = lease.spec.task
    return TaskSpec(
        name, section.cvat_labels(), section.segment_size, section.overlap, section.z_order, section.bug_tracker,
        project=project, replicas=lease.spec.quality.replicas or 0,
    )  # fmt: skip


def _create_or_search_after_lost_response(lease: BatchLease, spec: TaskSpec) -> None:
    """Create a task. Raises UnclearAnswer or CvatCrashed if the server has no task of this name afterwards."""
    lease.check()
    failpoint("create_task.searched")
    try:
        lease.cvat.create_task(spec)
    except (UnclearAnswer, CvatCrashed) as error:
        _log.warning("%s: creating %r: %s; searching the server", lease.batch_id, spec.name, error)
        # A 500 may leave an orphan task behind, and a cut connection a whole one.
        if not lease.cvat.find_tasks(spec.name):
            raise
        return
    except CvatRefused:
        if spec.project:
            lease.cvat.project(spec.project)  # CvatNotFound if it was deleted meanwhile: the next run looks again
        raise
    failpoint("create_task.sent")


def _keep_one_task(lease: BatchLease, spec: TaskSpec, files: int, me: int) -> Task | None:
    """Return our task of this name, if there is one, and delete empty duplicates. Raises CvatDisagrees for others.

    `me` is the id of labelyard's account.
    """
    found = lease.cvat.find_tasks(spec.name)
    fitting = [
        task
        for task in found
        # Empty or complete: CVAT never adds the missing files of a partial upload.
        if task.owner == me and _has_labels(task, spec) and _has_files(lease, task, files) and _has_form(task, spec)
    ]
    keep = min(fitting, key=lambda task: task.id, default=None)
    for task in found:
        if task is keep:
            continue
        if task.owner != me or not task.is_empty:
            raise _conflict(lease, task, f"is also called {spec.name!r}, and is not an empty one of ours")
        _delete_duplicate(lease, task)
        failpoint("create_task.duplicate_deleted")
    return keep


def _has_labels(task: Task, spec: TaskSpec) -> bool:
    """Return whether the task has the labels of the spec: its own, or those of the project, which were compared."""
    return task.project == spec.project and (spec.project is not None or set(task.labels) == set(spec.labels))


def _has_form(task: Task, spec: TaskSpec) -> bool:
    """Return whether an empty task gets the jobs of the spec: the creation decides about their size and replicas."""
    same = task.segment_size == spec.segment_size and task.has_replicas == bool(spec.replicas)
    return same or not task.is_empty


def _has_files(lease: BatchLease, task: Task, files: int) -> bool:
    """Return whether the task is empty, or has so many files; honeypots are further frames of some of them."""
    if not task.received or task.size <= files:
        return task.size == (files if task.received else 0)
    return len(file_names(lease.cvat.frames(task.id))) == files


def _delete_duplicate(lease: BatchLease, task: Task) -> None:
    lease.check()
    _log.warning("%s: deleting task %d, an empty duplicate of %r", lease.batch_id, task.id, task.name)
    lease.cvat.delete_task(task.id)


def _conflict(lease: BatchLease, task: Task, what: str) -> CvatDisagrees:
    return CvatDisagrees(
        f"task {task.id} {what}",
        where=lease.cvat.url,
        next_step=f"rename or delete {task_url(lease.cvat, task.id)}, then: labelyard retry {lease.batch_id}",
    )


def _record_task(lease: BatchLease, row: TaskRow, task: Task, how: str) -> Created:
    url = task_url(lease.cvat, task.id)
    frames = file_names(lease.cvat.frames(task.id)) if task.size else []
    with lease.transaction() as tx:
        tasks.mark_created(tx, row.id, task.id, url)
        if frames:
            _record_existing_upload(lease, tx, row, task, frames)
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state is BatchState.CLOSED:
            batches.move(tx, batch, BatchState.CREATED, f"task {task.id} {how}: {row.name}")
    failpoint("create_task.recorded")
    _log.info("%s: task %d %s: %s", lease.batch_id, task.id, how, url)
    return Created(task.id, row.name, url, how)


def _record_existing_upload(
    lease: BatchLease, tx: Transaction, row: TaskRow, task: Task, frames: Sequence[str]
) -> None:
    """Record that the task has its files already, so that they are not uploaded again.

    This happens when the ledger was restored from a backup, or lost its last transactions in a power cut.
    """
    members = {member.stored: member for member in batches.members(tx, lease.batch_id, quarantined=False, lock=True)}
    matched = match_frames(frames, members, {})
    if len(matched) < len(frames):
        raise _conflict(lease, task, f"is called {row.name!r} and has frames that are not objects of the batch")
    for name, obj in matched.items():
        members[obj].upload_name = name
    tasks.mark_upload_begun(tx, row.id, len(frames))
    tasks.mark_uploaded(tx, row.id, "")
