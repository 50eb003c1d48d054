"""Deletion of a task that can never hold its batch, and what the batch does then: another task, or a failure.

A failure that names no file is tried again. A file of ours that two tasks name is quarantined, and the rest is sent
again; after one task it may have been damaged on its way, as in an upload that was cut. After several tasks the batch
fails with the words of the server. What the store refused to CVAT is tried again without an end, because the files are
sound.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import NoReturn

from labelyard.domain.creation_failures import blamed_file, failed_download
from labelyard.errors import CreationFailed, CvatNotFound, ImageError, LabelyardError, TaskDiscarded
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, tasks
from labelyard.ledger.tables import Object, Task
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.inspect_images import why_unusable
from labelyard.pipeline.quarantine_objects import quarantine_unusable
from labelyard.pipeline.refused_objects import check_bucket_is_readable

_log = logging.getLogger(__name__)
_MAX_TASKS = 5
"""Tasks of one batch that may be unusable until a person retries it; a cut upload makes one or two."""
_NAMES_SHOWN = 5
_FAILED = "CVAT could not make frames: "
_SENT_AGAIN = " is sent once more"
"""How the reason of a task ends that named a file for the first time; such a task does not count as unusable."""


def discard_failed_creation(lease: BatchLease, row: Task, message: str) -> NoReturn:
    """Delete a task whose data CVAT could not read, and quarantine the file that it names for the second time.

    Raises TaskDiscarded, or CreationFailed after several tasks.
    """
    with lease.ledger.read_only() as tx:
        members = batches.members(tx, lease.batch_id)
        earlier = [one.abandon_reason for one in tasks.of_batch(tx, lease.batch_id) if one.abandon_reason]
    what = _FAILED + message
    not_downloaded = failed_download(message)
    if not_downloaded is not None:
        _inspect_again(lease, members, not_downloaded)
        discard_for_another(lease, row, what, next_step=_reach_the_store(lease))
    blamed = blamed_file(message, [member.upload_name for member in members if member.upload_name])
    if blamed is None:
        discard_unusable(lease, row, what)
    if not any(reason.startswith(_FAILED) and blamed_file(reason, [blamed]) for reason in earlier):
        discard_for_another(lease, row, f"{what}; {blamed}{_SENT_AGAIN}")
    failure = ImageError(f"CVAT could not read it: {message}")
    quarantine_unusable(lease, {member.id: failure for member in members if member.upload_name == blamed})
    next_step = f"labelyard why {lease.batch_id}, then: labelyard retry {lease.batch_id}"
    discard_unusable(lease, row, f"{what}; {blamed} is quarantined", next_step)


def discard_wrong_frames(lease: BatchLease, row: Task, size: int, missing: Collection[str]) -> NoReturn:
    """Delete a task with wrong frames. Raises TaskDiscarded, or CreationFailed after several such tasks."""
    found = f"{size} frames instead of {row.files}" if size != row.files else "frames of other names"
    without = f": {', '.join(sorted(missing)[:_NAMES_SHOWN])} not among them" if missing else ""
    next_step = (
        "CVAT skips silently what it does not recognise as an image: labelyard quarantine the files it names,"
        f" then: labelyard retry {lease.batch_id}"
    )
    discard_unusable(lease, row, found + without, next_step)


def discard_unusable(lease: BatchLease, row: Task, what: str, next_step: str = "") -> NoReturn:
    """Delete a task. Raises TaskDiscarded, or CreationFailed with the next step after several tasks in a row.

    By default the next step is to look at CVAT itself.
    """
    with lease.ledger.read_only() as tx:
        before = batches.get(tx, lease.batch_id).tasks_before_retry
        since = [one for one in tasks.of_batch(tx, lease.batch_id) if one.attempt > before]
    number = sum(not (one.abandon_reason or "").endswith(_SENT_AGAIN) for one in since)
    if number < _MAX_TASKS:
        discard_for_another(lease, row, what)
    _discard(lease, row, what)
    where = lease.where(row.server_id)
    next_step = next_step or f"look at CVAT's workers, queue and memory, then: labelyard retry {lease.batch_id}"
    raise CreationFailed(f"{what}; this was task number {number}", where=where, next_step=next_step)


def discard_for_another(lease: BatchLease, row: Task, reason: str, next_step: str = "") -> NoReturn:
    """Delete a task; the next run creates another one. Raises TaskDiscarded."""
    _discard(lease, row, reason)
    raise TaskDiscarded(reason, where=lease.where(row.server_id), next_step=next_step)


def _inspect_again(lease: BatchLease, members: Sequence[Object], name: str) -> None:
    """Quarantine the object that CVAT could not read, if it cannot be read from here either. Raises StoreError."""
    unusable: dict[int, LabelyardError] = {}
    for member in members:
        if member.upload_name == name and member.quarantine_reason is None:
            failure = why_unusable(lease, member)
            if failure is not None:
                unusable[member.id] = failure
    check_bucket_is_readable(lease.context, lease.spec, lease.batch_id, members, unusable)
    quarantine_unusable(lease, unusable)


def _reach_the_store(lease: BatchLease) -> str:
    store = lease.context.settings.store.endpoint_url or "object storage"
    return f"check that the host of {lease.cvat.url} reaches {store} under this name, and that its clock is right"


def _discard(lease: BatchLease, row: Task, reason: str) -> None:
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
