"""Leftover tasks: empty CVAT tasks of ours that have the name of a batch's task and are not its task.

They come from a creation that took effect long after its response was lost, from a run that had lost its lease, and
from a process that died between the creation and its record. They are looked for when a batch ends without a task,
when it is exported, and by the sweep for an hour after a batch ended or abandoned a task; `labelyard plan` finds them
at any time. A task with frames, or with an upload of which CVAT may make frames, is never deleted here. The sweep also
deletes the task of a cancelled batch once CVAT has lost its upload, because it will never have frames.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn

from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.domain.forgotten import upload_progress, why_forgotten
from labelyard.domain.rotation import rotating_subset
from labelyard.domain.states import WITHOUT_TASK, BatchState, TaskState
from labelyard.domain.task_names import TaskName
from labelyard.domain.tasks import CreationState, Receipt, Task
from labelyard.errors import CVAT_UNAVAILABLE, CvatNotFound, LabelyardError, NoUsableImage
from labelyard.failpoints import failpoint
from labelyard.ledger import Ledger, batches, breakers, tasks
from labelyard.ledger.tables import Batch
from labelyard.ledger.tables import Task as TaskRow
from labelyard.log_records import log_about
from labelyard.pipeline.acquire_batch import BatchLease

_log = logging.getLogger(__name__)
_LATE = timedelta(hours=1)
"""How long after the end of a batch the sweep looks for its tasks; proxies keep a request for minutes at most."""
_BATCHES_AT_ONCE = 50
"""Batches per sweep: each costs a request."""


def delete_leftover_tasks(ledger: Ledger, cvat: Cvat, batch_id: str, *, ending: bool = False) -> list[int]:
    """Delete the leftover tasks of a batch, and return their ids. With `ending`, no task of the batch may stay.

    No lease is needed: a name that a run is at work on is left to that run. Raises CvatErrors.
    """
    with ledger.read_only() as tx:
        names = tasks.names(tx, batches.get(tx, batch_id), ending=ending)
    deleted = []
    for task in list(_leftover(cvat, names)):
        _log.warning("%s: deleting task %d, which is empty and not needed: %r", batch_id, task.id, task.name)
        with suppress(CvatNotFound):
            cvat.delete_task(task.id)
        deleted.append(task.id)
    if deleted:
        failpoint("leftover_tasks.deleted")
        with ledger.transaction() as tx:
            tasks.abandon_deleted(tx, batch_id, deleted)
    return deleted


def end_without_task(lease: BatchLease) -> NoReturn:
    """Quarantine a batch without usable images and delete its tasks, as far as they are empty. Raises NoUsableImage."""
    lease.check()
    _delete_own_task(lease)
    delete_leftover_tasks(lease.ledger, lease.cvat, lease.batch_id, ending=True)
    with lease.transaction() as tx:
        if (row := tasks.current(tx, lease.batch_id)) is not None:
            tasks.abandon(tx, row.id, "no usable image")
        batch = batches.get(tx, lease.batch_id, lock=True)
        batches.move(tx, batch, BatchState.QUARANTINED, "no usable image in it")
        members = batches.members(tx, lease.batch_id)
    failpoint("leftover_tasks.quarantined")
    example = next((f", such as {member.stored.url}: {member.quarantine_reason}" for member in members), "")
    what = f"all {len(members)} objects are quarantined{example}"
    next_step = (
        "upload good files under the same keys: they are labelled with the next batch; "
        f"nothing waits for this one: labelyard why {lease.batch_id}"
    )
    raise NoUsableImage(what, where=lease.batch_id, next_step=next_step)


def delete_late_tasks(context: Context) -> int:
    """Delete what was created after its batch had ended or had abandoned it; return how many tasks that were.

    A CVAT that fails, or has an open breaker, is left to the next sweep.
    """
    with context.ledger.read_only() as tx:
        found, unavailable = tasks.with_late_tasks(tx, tx.now - _LATE), breakers.open_servers(tx, tx.now)
        turn = int(tx.now.timestamp() // context.settings.deploy.sweep_seconds)
    deleted = 0
    for batch in rotating_subset(found, _BATCHES_AT_ONCE, turn):
        if (batch.cvat or "") not in unavailable:
            with log_about(dataset=batch.dataset, batch=batch.id):
                deleted += _delete_late_tasks_of(context, batch, unavailable)
    return deleted


def _delete_late_tasks_of(context: Context, batch: Batch, unavailable: set[str]) -> int:
    try:
        cvat = context.cvat(batch.cvat or "")
        deleted = delete_leftover_tasks(context.ledger, cvat, batch.id)
        return len(deleted) + (batch.state in WITHOUT_TASK and _delete_lost_upload(context, cvat, batch.id))
    except LabelyardError as error:
        _log.warning("%s: the next sweep looks again for tasks that were created late: %s", batch.id, error)
        if isinstance(error, CVAT_UNAVAILABLE):
            unavailable.add(batch.cvat or "")
        return 0


def _delete_lost_upload(context: Context, cvat: Cvat, batch_id: str) -> bool:
    """Delete the batch's own task if CVAT will never make frames of its upload; return whether it did."""
    with context.ledger.read_only() as tx:
        row = tasks.current(tx, batch_id)
    if row is None or row.server_id is None or row.state is not TaskState.UPLOADING:
        return False
    with suppress(CvatNotFound):
        reason = _why_lost(context, cvat, row, cvat.task(row.server_id))
        if reason:
            _log.warning("%s: deleting task %d, which will never have frames: %s", batch_id, row.server_id, reason)
            cvat.delete_task(row.server_id)
            with context.ledger.transaction() as tx:
                tasks.abandon_deleted(tx, batch_id, (row.server_id,))
            return True
    return False


def _why_lost(context: Context, cvat: Cvat, row: TaskRow, task: Task) -> str:
    """Return why CVAT will never make frames of an upload; an empty string if it has made them, or still may."""
    if task.size or not task.received:
        return ""
    creation = cvat.creation(Receipt(task.id, row.request_id or ""))
    with context.ledger.transaction() as tx:
        unchanged = tasks.record_progress(tx, row.id, upload_progress(task, creation)).unchanged
    if creation.state is CreationState.FAILED:
        return f"CVAT could not make frames of it: {creation.message}"
    return why_forgotten(task, creation, row.files or 0, unchanged.total_seconds(), context.forgotten_timeouts)


def _delete_own_task(lease: BatchLease) -> None:
    """Delete the batch's task by its id, under any name, if it is still empty."""
    with lease.ledger.read_only() as tx:
        row = tasks.current(tx, lease.batch_id)
    if row is None or row.server_id is None:
        return
    with suppress(CvatNotFound):
        if lease.cvat.task(row.server_id).is_empty:
            lease.cvat.delete_task(row.server_id)
            failpoint("leftover_tasks.own_deleted")


def _leftover(cvat: Cvat, names: Iterable[TaskName]) -> Iterator[Task]:
    me = cvat.whoami().id
    for one in names:
        if not one.awaited:
            found = cvat.find_tasks(one.name)
            yield from (task for task in found if task.id != one.kept and task.owner == me and task.is_empty)
