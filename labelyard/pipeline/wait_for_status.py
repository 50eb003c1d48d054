"""wait_for_status: the task holds exactly the files that were sent, by size, jobs and names.

The word Finished proves nothing: CVAT says it before an upload, after a refused one, and for one that was cut short.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import Creation, CreationState, Receipt, Task
from labelyard.errors import CreationFailed, CvatDisagrees, CvatNotFound, CvatTimeout
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, tasks
from labelyard.ledger.tables import Task as TaskRow
from labelyard.pipeline.acquire_batch import BatchLease

_log = logging.getLogger(__name__)
_FIRST_PAUSE = 0.1
"""Before the second look; twice as long before each one that follows, up to the settings' poll_seconds."""
_ATTEMPTS = 5
"""Tasks of a batch that may come out with other frames; a broken-off upload shows so once or twice."""
_SHOWN = 5


@dataclass(frozen=True)
class Proved:
    """A task whose frames are the files that were sent."""

    task_id: int
    frames: int
    jobs: int


class TaskGivenUp(CvatDisagrees):
    """The task can never become what was sent; it was abandoned, and the next run makes another one."""

    retry = True


def wait_for_status(lease: BatchLease) -> Proved:
    """Wait until the server shows every frame.

    Raises CreationFailed with the server's words, or where task after task came out with other frames; TaskGivenUp
    where the task came out short or the upload never arrived; CvatTimeout when the deadline passes while the server
    still works.
    """
    with lease.ledger.read_only() as tx:
        row, task_id = tasks.require_current(tx, lease.batch_id)
        names = {member.upload_name for member in batches.members(tx, lease.batch_id)} - {None}
    task = _settled(lease, row, task_id)
    shown = [frame.name for frame in lease.cvat.frames(task_id)] if task.size else []
    if task.size != row.files or not task.jobs or set(shown) != names:
        _refuse_other_frames(lease, row, task.size, sorted(filter(None, names - set(shown))))
    failpoint("wait_for_status.shown")
    with lease.transaction() as tx:
        tasks.mark_verified(tx, row.id)
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state is BatchState.UPLOADED:
            batches.move(
                tx,
                batch,
                BatchState.READY,
                f"task {task.id} shows {task.size} frames in {len(task.jobs)} jobs",
            )
    failpoint("wait_for_status.recorded")
    _log.info("%s: task %d shows %d frames in %d jobs", lease.batch_id, task.id, task.size, len(task.jobs))
    return Proved(task.id, task.size, len(task.jobs))


def _settled(lease: BatchLease, row: TaskRow, task_id: int) -> Task:
    """The task once it is at rest: with frames, or failed, or never received."""
    settings, receipt = lease.context.settings, Receipt(task_id, row.request_id or "")
    began, creation = time.monotonic(), Creation(CreationState.UNKNOWN)
    for pause in _pauses(settings.poll_seconds):
        task = lease.cvat.task(task_id)
        if row.state is TaskState.VERIFIED or (task.size and task.jobs):
            return task
        creation = lease.cvat.creation(receipt)
        if creation.state is CreationState.FAILED:
            _failed(lease, row, creation.message)
        waited = time.monotonic() - began
        if not task.received and row.request_id is None and waited > settings.unclear_upload_seconds:
            _give_up(
                lease, row, f"the upload's answer was lost, and after {waited:.0f} s the server shows nothing of it"
            )
        if waited > settings.upload_deadline_seconds:
            last = f"{creation.state} {creation.message}".strip()
            seen = f"no frames after {waited:.0f} s; last seen: {last}, {task.size} of {row.files} frames"
            next_step = f"none: it is looked at again automatically; delete {row.url} if CVAT has forgotten it"
            raise CvatTimeout(seen, where=f"{lease.batch_id}, task {task.id}", next_step=next_step)
        time.sleep(pause)
    raise AssertionError("pauses do not end")


def _pauses(longest: float) -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield min(pause, longest)
        pause *= 2


def _failed(lease: BatchLease, row: TaskRow, message: str) -> NoReturn:
    """The server's worker refused the data; the task is thrown away, so that a retry starts clean."""
    what, batch = f"CVAT could not make frames: {message}", lease.batch_id
    _abandon(lease, row, what)
    next_step = f"labelyard why {batch}, replace or remove the file it names, then: labelyard retry {batch}"
    raise CreationFailed(what, where=f"{batch}, task {row.server_id}", next_step=next_step)


def _refuse_other_frames(lease: BatchLease, row: TaskRow, size: int, missing: Sequence[str]) -> NoReturn:
    """Throw away a task that shows other frames than were sent; what comes out so again and again needs a person."""
    seen = f"{size} frames instead of {row.files}" if size != row.files else "frames of other names"
    lacks = f": {', '.join(missing[:_SHOWN])} not among them" if missing else ""
    if row.attempt < _ATTEMPTS:
        _give_up(lease, row, seen + lacks)
    _abandon(lease, row, seen + lacks)
    what = f"{seen} in task after task, this was number {row.attempt}{lacks}"
    raise CreationFailed(
        f"{what}. CVAT skips silently what it does not take for an image",
        where=f"{lease.batch_id}, task {row.server_id}",
        next_step=f"labelyard quarantine what it names, then: labelyard retry {lease.batch_id}",
    )


def _give_up(lease: BatchLease, row: TaskRow, reason: str) -> NoReturn:
    """Throw away a task that is wrong and at rest."""
    _abandon(lease, row, reason)
    raise TaskGivenUp(
        reason, where=f"{lease.batch_id}, task {row.server_id}", next_step="none: another task is made automatically"
    )


def _abandon(lease: BatchLease, row: TaskRow, reason: str) -> None:
    assert row.server_id is not None
    lease.check()
    _log.warning("%s: giving up task %d: %s", lease.batch_id, row.server_id, reason)
    failpoint("wait_for_status.giving_up")
    with suppress(CvatNotFound):
        lease.cvat.delete_task(row.server_id)
    failpoint("wait_for_status.deleted")
    with lease.transaction() as tx:
        tasks.recreate(tx, row.id, reason)
    failpoint("wait_for_status.given_up")
