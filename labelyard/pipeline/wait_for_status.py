"""wait_for_status: wait until the task has exactly the uploaded files, by size, jobs and frame names.

CVAT's status Finished proves nothing: it appears before an upload, after a rejected one, and after one that was cut.

A run waits for a short time only. What takes longer is recorded in the ledger, and a later run asks once: batches that
CVAT does not finish must not occupy all the slots.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from labelyard.domain.forgotten import upload_progress, why_forgotten
from labelyard.domain.quality import file_names
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import Creation, CreationState, Receipt, Task
from labelyard.errors import CvatTimeout
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, tasks
from labelyard.ledger.tables import Task as TaskRow
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.discard_task import (
    discard_failed_creation,
    discard_for_another,
    discard_unusable,
    discard_wrong_frames,
)

_log = logging.getLogger(__name__)
_FIRST_PAUSE = 0.1
"""Seconds before the second request; each pause is twice as long as the last, up to the setting poll_seconds."""
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=1)
"""Between two runs that ask CVAT; in between, half of the time for which CVAT has reported no progress."""


@dataclass(frozen=True)
class VerifiedTask:
    """A task whose frames are the uploaded files."""

    task_id: int
    frames: int
    jobs: int


@dataclass(frozen=True)
class UnfinishedTask:
    """A task with which the batch cannot go on yet: why, and when a run tries again."""

    task_id: int
    reason: str
    next_run: datetime

    def document(self) -> dict[str, Any]:
        """Return it as the result of a Prefect task."""
        return asdict(self) | {"next_run": self.next_run.isoformat()}


def wait_for_status(lease: BatchLease) -> VerifiedTask | UnfinishedTask:
    """Wait until CVAT lists every uploaded file as a frame; return an UnfinishedTask if that takes longer.

    Raises TaskDiscarded if the task has wrong frames, or the upload never arrived, was forgotten, or failed;
    CreationFailed if several tasks in a row were unusable; CvatTimeout if CVAT still works at the deadline.
    """
    with lease.ledger.read_only() as tx:
        row, task_id = tasks.require_current(tx, lease.batch_id)
    task = _wait_for_frames(lease, row, task_id)
    if isinstance(task, UnfinishedTask):
        return task
    _require_uploaded_frames(lease, row, task)
    failpoint("wait_for_status.verified")
    _record_verified(lease, row, task)
    _log.info("%s: task %d has %d frames in %d jobs", lease.batch_id, task.id, task.size, len(task.jobs))
    return VerifiedTask(task.id, task.size, len(task.jobs))


def _require_uploaded_frames(lease: BatchLease, row: TaskRow, task: Task) -> None:
    """Compare the names of the task's frames with those of the uploaded files; discard the task if they differ."""
    with lease.ledger.read_only() as tx:
        uploaded = {member.upload_name for member in batches.members(tx, lease.batch_id) if member.upload_name}
    frames = lease.cvat.frames(task.id) if task.size else []
    names = file_names(frames)  # without honeypots, which are copies
    if len(frames) != task.size or len(names) != row.files or not task.jobs or {*names} != uploaded:
        discard_wrong_frames(lease, row, len(names), uploaded - {*names})


def _record_verified(lease: BatchLease, row: TaskRow, task: Task) -> None:
    with lease.transaction() as tx:
        tasks.mark_verified(tx, row.id)
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state is BatchState.UPLOADED:
            reason = f"task {task.id} has {task.size} frames in {len(task.jobs)} jobs"
            batches.move(tx, batch, BatchState.READY, reason)
    failpoint("wait_for_status.recorded")


def _wait_for_frames(lease: BatchLease, row: TaskRow, task_id: int) -> Task | UnfinishedTask:
    """Return the task once it has frames, or an UnfinishedTask. Raises CreationFailed, TaskDiscarded or CvatTimeout."""
    receipt = Receipt(task_id, row.request_id or "")
    until = time.monotonic() + (lease.context.settings.wait_seconds if row.waiting_since is None else 0)
    for pause in _pauses(lease.context.settings.poll_seconds):
        task = lease.cvat.task(task_id)
        if row.state is TaskState.VERIFIED or (task.size and task.jobs):
            return task
        creation = lease.cvat.creation(receipt)
        if creation.state is CreationState.FAILED:
            discard_failed_creation(lease, row, creation.message)
        progress = upload_progress(task, creation)
        with lease.transaction() as tx:
            waiting = tasks.record_progress(tx, row.id, progress)
        _check_forgotten(lease, row, task, creation, waiting)
        _check_deadlines(lease, row, task, progress, waiting)
        if time.monotonic() + pause > until:
            wait = min(max(waiting.unchanged / 2, _SHORTEST_WAIT), _LONGEST_WAIT)
            return continue_later(lease, task_id, f"no frames yet ({progress})", wait)
        time.sleep(pause)
    raise AssertionError("pauses do not end")


def continue_later(lease: BatchLease, task_id: int, reason: str, wait: timedelta) -> UnfinishedTask:
    """End the work on the batch for now, without a failure: a later run continues when `wait` is over."""
    with lease.transaction() as tx:
        next_run = batches.wait_for_server(tx, batches.get(tx, lease.batch_id, lock=True), wait)
    failpoint("wait_for_status.postponed")
    _log.info("%s: task %d: %s", lease.batch_id, task_id, reason)
    return UnfinishedTask(task_id, reason, next_run)


def _check_forgotten(lease: BatchLease, row: TaskRow, task: Task, creation: Creation, waiting: tasks.Waiting) -> None:
    timeouts = lease.context.forgotten_timeouts
    reason = why_forgotten(task, creation, row.files or 0, waiting.unchanged.total_seconds(), timeouts)
    if reason:
        discard_unusable(lease, row, reason)


def _check_deadlines(lease: BatchLease, row: TaskRow, task: Task, progress: str, waiting: tasks.Waiting) -> None:
    settings, waited = lease.context.settings, waiting.waited.total_seconds()
    # Measured: after a lost response CVAT shows the received body at most 1.4 s after the last byte (40 uploads).
    # A slow proxy takes longer.
    if not task.received and row.request_id is None and waited > settings.unclear_upload_seconds:
        reason = f"the response to the upload was lost, and after {waited:.0f} s CVAT has none of its files"
        discard_for_another(lease, row, reason)
    if waited > settings.upload_deadline_seconds:
        raise CvatTimeout(
            f"no frames after {waited:.0f} s; last seen: {progress}",
            where=lease.where(task.id),
            next_step="look at CVAT's workers and their queue",
        )


def _pauses(longest: float) -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield min(pause, longest)
        pause *= 2
