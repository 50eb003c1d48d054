"""Failpoints: named points in the code at which a test ends the process, to prove that nothing is lost or doubled.

A failpoint does nothing unless the setting LABELYARD_FAILPOINT names it. Then the process ends with `os._exit`, as
after kill -9 or a power cut: no handler, no `finally` and no commit runs. tests/chaos does this at every failpoint.
"""

from __future__ import annotations

import os

from labelyard.errors import SettingsError

FAILPOINTS = {
    "watcher.received": "messages are received; none of their objects is registered",
    "register_objects.headed": "objects are notified or listed, and checked in the store; nothing is written",
    "register_objects.written": "objects and their batch are written, not committed",
    "register_objects.registered": "objects are committed; their messages are not acknowledged",
    "register_objects.deletions_written": "deletions in the bucket are written, not committed",
    "watcher.dead_lettered": "an unreadable message is a committed dead letter; it is not acknowledged",
    "watcher.acknowledged": "the queue has deleted the messages",
    "close_batches.due": "a batch is due to close; nothing is written",
    "close_batches.written": "a closed batch and its event are written, not committed",
    "close_batches.closed": "a closed batch is committed; its event is not published",
    "publish_events.read": "events are read from the outbox; none is posted",
    "publish_events.posted": "Prefect has accepted the events; the outbox does not say so",
    "publish_events.marked": "the outbox says that Prefect has accepted the events",
    "publish_events.republished": "batches without a run are in the outbox again; no event is posted",
    "acquire_batch.requested": "a run has started; it holds no lease",
    "acquire_batch.acquired": "the lease is committed; no work is done",
    "acquire_batch.done": "all work of the run is done; the lease is not released",
    "acquire_batch.failed": "a failure is committed; the lease is not released",
    "acquire_batch.released": "the lease is released",
    "create_project.searched": "CVAT has no project of this name; nothing is sent",
    "create_project.sent": "CVAT has created the project",
    "create_project.duplicate_deleted": "an empty duplicate of the project is deleted",
    "create_task.planned": "the task's name is committed; CVAT was not asked for it",
    "create_task.searched": "CVAT has no task of this name; nothing is sent",
    "create_task.sent": "CVAT has created the task; the ledger does not say so",
    "create_task.duplicate_deleted": "an empty duplicate is deleted; the remaining task is not in the ledger",
    "create_task.recorded": "the ledger has the task",
    "leftover_tasks.own_deleted": "the task of a batch without usable images is deleted; the ledger does not say so",
    "leftover_tasks.deleted": "empty tasks with a name of the batch are deleted; the ledger does not say so",
    "leftover_tasks.quarantined": "a batch without usable images has ended",
    "upload_data.inspected": "every object was read and inspected; nothing is written",
    "upload_data.begun": "the ledger says that an upload begins; nothing is sent",
    "upload_data.sending": "a part of the body is sent",
    "upload_data.sent": "CVAT has received all files; the ledger does not say so",
    "upload_data.answered": "the ledger has CVAT's response; the batch has the same state",
    "upload_data.recorded": "the batch is uploaded",
    "wait_for_status.verified": "CVAT lists every frame; the ledger does not say so",
    "wait_for_status.recorded": "the batch is ready",
    "wait_for_status.postponed": "the batch waits for CVAT; the lease is not released",
    "wait_for_status.discarding": "a task is wrong and at rest; it is not deleted",
    "wait_for_status.deleted": "the wrong task is deleted; the ledger does not say so",
    "wait_for_status.discarded": "the ledger says that the task is abandoned",
    "preannotate_task.begun": "the ledger says since when predictions are waited for; no model was asked",
    "preannotate_task.committed": "the predictions are committed; nothing is sent",
    "preannotate_task.sent": "CVAT has the predictions of a job; the ledger does not say so",
    "preannotate_task.recorded": "the ledger says which predictions CVAT has",
    "preannotate_task.skipped": "the ledger says that people label without predictions",
    "assign_jobs.chosen": "the annotator of each job is committed; nothing is sent",
    "assign_jobs.sent": "a job is assigned in CVAT; the ledger does not say so",
    "assign_jobs.recorded": "the ledger has one more assigned job",
    "assign_jobs.finished": "the batch is assigned",
    "assign_waiting_jobs.due": "somebody may get a job that waits; its batch is not leased, nothing is chosen",
    "reassign_untouched.chosen": "who gets the untouched jobs of somebody is committed; nothing is sent",
    "assign_quality_jobs.chosen": "who gets the ground-truth job and the replicas is committed; nothing is sent",
    "assign_quality_jobs.replaced": "who gets the ground truth or a replica of a person is committed; nothing is sent",
    "assign_quality_jobs.sent": "one of these jobs is assigned in CVAT; the ledger does not say so",
    "review_jobs.decided": "the next steps of the reviews are committed; nothing is sent",
    "review_jobs.issue_written": "CVAT has one more issue about a fault; its job has not gone back",
    "review_jobs.issue_resolved": "an issue about a repaired fault is resolved; nothing is decided",
    "review_jobs.sent": "CVAT has moved a job; the ledger does not say so",
    "review_jobs.recorded": "the ledger has one more job with its reviewer, its annotator, or accepted",
    "collect_finished.shown": "CVAT has returned the task; nothing is written",
    "collect_finished.written": "the status of the jobs is written, not committed",
    "collect_finished.collected": "the status is committed; the event of a completed batch is not published",
    "check_quality.merging": "all replicas of a job are completed; no merge is requested",
    "check_quality.merged": "CVAT has merged the replicas of a job; the ledger does not say so",
    "check_quality.reported": "CVAT has made a quality report; the ledger does not have it",
    "export_annotations.begun": "the ledger was read; CVAT was not asked",
    "export_annotations.marker_created": "the tag of the neutral write is created in CVAT, not deleted",
    "export_annotations.marker_deleted": "the tag is deleted; no new export was requested",
    "export_annotations.file_written": "the dataset file is on disk; the bucket does not have it",
    "export_annotations.file_uploaded": "the bucket has the dataset file; the ledger does not know",
    "export_annotations.recorded": "the ledger has the export",
    "release_dataset.acquired": "what a release merges is committed; nothing is fetched",
    "release_dataset.merged": "the release is on disk; the bucket has nothing of it",
    "release_dataset.uploading": "the bucket has a file of the release",
    "release_dataset.uploaded": "the bucket has all files of the release; nothing points to it",
    "release_dataset.pointed": "latest.json names the release; the ledger does not know",
    "release_dataset.recorded": "the ledger has the release",
    "send_messages.leased": "what a person is told is committed; nothing is sent",
    "send_messages.sent": "a person's channel has accepted a message; the ledger does not say so",
}
"""Name -> what has happened at this point, and what has not."""

EXIT_STATUS = 137
"""The exit status that a shell reports after kill -9."""

_armed: tuple[str, int] = ("", 0)


def arm(at: str | None) -> None:
    """End this process at the failpoint `create_task.sent`, or the second time at `create_task.sent:2`.

    None disarms. Raises SettingsError for an unknown failpoint.
    """
    global _armed  # noqa: PLW0603 - the process as a whole ends
    name, _, passing = (at or "").partition(":")
    if at and (name not in FAILPOINTS or not (passing or "1").isdecimal()):
        raise SettingsError(
            f"LABELYARD_FAILPOINT={at!r} is no failpoint", next_step=f"unset it, or use one of {', '.join(FAILPOINTS)}"
        )
    _armed = (name, int(passing or 1))


def failpoint(name: str) -> None:
    """End the process here if `name` is armed."""
    global _armed  # noqa: PLW0603
    if _armed[0] != name:
        return
    _armed = (name, _armed[1] - 1)
    if _armed[1] == 0:
        end()


def end() -> None:
    """End the process at once, as kill -9 does."""
    os._exit(EXIT_STATUS)
