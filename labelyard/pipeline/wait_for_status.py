"""wait_for_status: wait until the task has exactly the uploaded files, by size, jobs and frame names.

CVAT's status Finished proves nothing: it appears before an upload, after a rejected one, and after one that was cut.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from labelyard.config import UploadMethod
from labelyard.domain.forgotten import Patience, why_forgotten
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import Creation, CreationState, Receipt, Task
from labelyard.errors import CreationFailed, CvatNotFound, CvatTimeout, TaskDiscarded
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, tasks
from labelyard.ledger.tables import Task as TaskRow
from labelyard.pipeline.acquire_batch import BatchLease

_log = logging.getLogger(__name__)
_FIRST_PAUSE = 0.1
"""Seconds before the second request; each pause is twice as long as the last, up to the setting poll_seconds."""
_MAX_ATTEMPTS = 5
"""Tasks of one batch that may have wrong frames; a cut upload has them once or twice."""
_NAMES_SHOWN = 5
_REFUSED_BY_STORE = re.compile(r"\b40[34]\b")
"""What CVAT says of a URL that the store refused; the URL may have expired, so the object may be sound."""


@dataclass(frozen=True)
class VerifiedTask:
    """A task whose frames are the uploaded files."""

    task_id: int
    frames: int
    jobs: int


def wait_for_status(lease: BatchLease) -> VerifiedTask:
    """Wait until CVAT lists every uploaded file as a frame.

    Raises TaskDiscarded if the task has wrong frames, or the upload never arrived, was forgotten, or failed for a
    reason that names no file; CreationFailed if CVAT rejects a file or several tasks in a row were unusable;
    CvatTimeout if CVAT still works at the deadline.
    """
    with lease.ledger.read_only() as tx:
        row, task_id = tasks.require_current(tx, lease.batch_id)
        uploaded = {member.upload_name for member in batches.members(tx, lease.batch_id)} - {None}
    task = _wait_until_at_rest(lease, row, task_id)
    _require_uploaded_frames(lease, row, task, uploaded)
    failpoint("wait_for_status.verified")
    _record_verified(lease, row, task)
    _log.info("%s: task %d has %d frames in %d jobs", lease.batch_id, task.id, task.size, len(task.jobs))
    return VerifiedTask(task.id, task.size, len(task.jobs))


def _require_uploaded_frames(lease: BatchLease, row: TaskRow, task: Task, uploaded: Collection[str | None]) -> None:
    """Compare the names of the task's frames with those of the uploaded files; discard the task if they differ."""
    frames = {frame.name for frame in lease.cvat.frames(task.id)} if task.size else set()
    if task.size != row.files or not task.jobs or frames != set(uploaded):
        _discard_wrong_frames(lease, row, task.size, set(uploaded) - frames)


def _record_verified(lease: BatchLease, row: TaskRow, task: Task) -> None:
    with lease.transaction() as tx:
        tasks.mark_verified(tx, row.id)
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state is BatchState.UPLOADED:
            reason = f"task {task.id} has {task.size} frames in {len(task.jobs)} jobs"
            batches.move(tx, batch, BatchState.READY, reason)
    failpoint("wait_for_status.recorded")


def _wait_until_at_rest(lease: BatchLease, row: TaskRow, task_id: int) -> Task:
    """Return the task once it has frames. Raises CreationFailed, TaskDiscarded or CvatTimeout."""
    receipt, started = Receipt(task_id, row.request_id or ""), time.monotonic()
    last: tuple[bool, Creation] | None = None
    changed = started
    for pause in _pauses(lease.context.settings.poll_seconds):
        task = lease.cvat.task(task_id)
        if row.state is TaskState.VERIFIED or (task.size and task.jobs):
            return task
        creation = lease.cvat.creation(receipt)
        if creation.state is CreationState.FAILED:
            _discard_failed_creation(lease, row, creation.message)
        now = time.monotonic()
        if (task.received, creation) != last:
            last, changed = (task.received, creation), now
        _check_forgotten(lease, row, task, creation, now - changed)
        _check_deadlines(lease, row, task, creation, now - started)
        time.sleep(pause)
    raise AssertionError("pauses do not end")


def _check_forgotten(lease: BatchLease, row: TaskRow, task: Task, creation: Creation, unchanged: float) -> None:
    settings = lease.context.settings
    patience = Patience(settings.forgotten_seconds, settings.stalled_seconds)
    reason = why_forgotten(task, creation, row.files or 0, unchanged, patience)
    if reason:
        _discard_unusable(lease, row, reason)


def _check_deadlines(lease: BatchLease, row: TaskRow, task: Task, creation: Creation, waited: float) -> None:
    settings = lease.context.settings
    # Measured: after a lost response CVAT shows the received body at most 1.4 s after the last byte (40 uploads).
    # A slow proxy takes longer.
    if not task.received and row.request_id is None and waited > settings.unclear_upload_seconds:
        reason = f"the response to the upload was lost, and after {waited:.0f} s CVAT has none of its files"
        _discard_for_another(lease, row, reason)
    if waited > settings.upload_deadline_seconds:
        status = f"{creation.state} {creation.message}".strip()
        raise CvatTimeout(
            f"no frames after {waited:.0f} s; last seen: {status}, {task.size} of {row.files} frames",
            where=lease.where(task.id),
            next_step="none: it is checked again automatically; it is recreated if CVAT has forgotten it",
        )


def _pauses(longest: float) -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield min(pause, longest)
        pause *= 2


def _discard_failed_creation(lease: BatchLease, row: TaskRow, message: str) -> NoReturn:
    """Delete a task whose data CVAT could not read. Raises TaskDiscarded if another task may succeed."""
    what, batch = f"CVAT could not make frames: {message}", lease.batch_id
    if not _names_a_file(lease, message):
        _discard_unusable(lease, row, what)
    _discard(lease, row, what)
    next_step = f"labelyard why {batch}, replace or remove the file it names, then: labelyard retry {batch}"
    raise CreationFailed(what, where=lease.where(row.server_id), next_step=next_step)


def _names_a_file(lease: BatchLease, message: str) -> bool:
    """Return whether CVAT blames a file of the batch, and not the store that refused its URL."""
    if lease.spec.task.upload is UploadMethod.REMOTE and _REFUSED_BY_STORE.search(message):
        return False
    with lease.ledger.read_only() as tx:
        names = {member.upload_name for member in batches.members(tx, lease.batch_id)}
    return any(name in message for name in names if name)


def _discard_unusable(lease: BatchLease, row: TaskRow, what: str) -> NoReturn:
    """Delete a task for a reason that names no file. Raises TaskDiscarded, or CreationFailed after several tasks."""
    if row.attempt < _MAX_ATTEMPTS:
        _discard_for_another(lease, row, what)
    _discard(lease, row, what)
    raise CreationFailed(
        f"{what}; this was task number {row.attempt}",
        where=lease.where(row.server_id),
        next_step=f"look at CVAT's workers, queue and memory, then: labelyard retry {lease.batch_id}",
    )


def _discard_wrong_frames(lease: BatchLease, row: TaskRow, size: int, missing: Collection[str | None]) -> NoReturn:
    """Delete a task with wrong frames. Raises TaskDiscarded, or CreationFailed after several such tasks."""
    found = f"{size} frames instead of {row.files}" if size != row.files else "frames of other names"
    names = sorted(filter(None, missing))[:_NAMES_SHOWN]
    without = f": {', '.join(names)} not among them" if names else ""
    if row.attempt < _MAX_ATTEMPTS:
        _discard_for_another(lease, row, found + without)
    _discard(lease, row, found + without)
    raise CreationFailed(
        f"{found} in task after task, this was number {row.attempt}{without}."
        " CVAT skips silently what it does not recognise as an image",
        where=lease.where(row.server_id),
        next_step=f"labelyard quarantine the files it names, then: labelyard retry {lease.batch_id}",
    )


def _discard_for_another(lease: BatchLease, row: TaskRow, reason: str) -> NoReturn:
    """Delete a task; the next run creates another one. Raises TaskDiscarded."""
    _discard(lease, row, reason)
    where = lease.where(row.server_id)
    raise TaskDiscarded(reason, where=where, next_step="none: another task is created automatically")


def _discard(lease: BatchLease, row: TaskRow, reason: str) -> None:
    """Delete a task that is wrong and at rest, and close its batch again."""
    assert row.server_id is not None
    lease.check()
    _log.warning("%s: deleting task %d: %s", lease.batch_id, row.server_id, reason)
    failpoint("wait_for_status.discarding")
    with suppress(CvatNotFound):
        lease.cvat.delete_task(row.server_id)
    failpoint("wait_for_status.deleted")
    with lease.transaction() as tx:
        tasks.recreate(tx, row.id, reason)
    failpoint("wait_for_status.discarded")
