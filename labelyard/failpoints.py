"""Crash points: named places at which a process can be made to end at once, to see that nothing is lost or doubled.

A point does nothing unless LABELYARD_FAILPOINT names it. Then it is `os._exit`: no handler, no `finally` and no commit
outlives it, as none outlives kill -9 or a power cut. `benchmarks/faults.py` and tests/faults die at every one of them.
"""

from __future__ import annotations

import os

from labelyard.errors import SettingsError

FAILPOINTS = {
    "watcher.received": "messages are handed out to us; nothing of them has landed",
    "register_objects.headed": "objects were told of or listed, and looked at in the store; nothing is written",
    "register_objects.written": "objects and their batch are written, and not committed",
    "register_objects.registered": "landed and committed; not acknowledged",
    "register_objects.deletions_written": "what was deleted in the bucket is noted, and not committed",
    "watcher.dead_lettered": "what could not be read lies in the dead letters; not acknowledged",
    "watcher.acknowledged": "the queue has forgotten the messages",
    "close_batches.due": "a batch's time has come; nothing is written",
    "close_batches.written": "a batch is closed and its announcement written, and not committed",
    "close_batches.closed": "closed and committed; not announced",
    "publish_events.read": "announcements were read from the outbox; nothing is sent",
    "publish_events.posted": "Prefect has taken the events; the outbox does not know",
    "publish_events.marked": "the outbox knows that Prefect has taken them",
    "publish_events.republished": "what no run had taken is in the outbox once more; nothing is sent",
    "acquire_batch.requested": "a run has begun; it owns nothing",
    "acquire_batch.acquired": "the batch is ours; nothing is done",
    "acquire_batch.done": "all of the run's work is done; the batch is not given back",
    "acquire_batch.failed": "a failure is written down; the batch is not given back",
    "acquire_batch.released": "the batch is given back",
    "create_task.planned": "the task's name is committed; the server was not asked",
    "create_task.searched": "the server has no such task; nothing is sent",
    "create_task.sent": "the server has made the task; the ledger does not know",
    "create_task.duplicate_deleted": "an empty twin is deleted; the task that stays is not recorded",
    "create_task.recorded": "the ledger knows the task",
    "upload_data.inspected": "every object was read and looked at; nothing is written",
    "upload_data.begun": "the ledger knows that files will be sent; nothing is sent",
    "upload_data.sending": "a part of the body is on its way",
    "upload_data.sent": "the server has taken all files; the ledger does not know",
    "upload_data.answered": "the ledger knows the server's answer; the batch has not moved",
    "upload_data.recorded": "the batch is uploaded",
    "wait_for_status.shown": "the server shows every frame; the ledger does not know",
    "wait_for_status.recorded": "the batch is ready",
    "wait_for_status.giving_up": "a task is wrong and at rest; it is not deleted",
    "wait_for_status.deleted": "it is deleted; the ledger does not know",
    "wait_for_status.given_up": "the ledger knows that it is given up",
    "assign_jobs.chosen": "who gets which job is committed; nothing is sent",
    "assign_jobs.sent": "a job is assigned; the ledger does not know",
    "assign_jobs.recorded": "the ledger knows of one assigned job more",
    "assign_jobs.finished": "the batch is assigned",
    "collect_finished.shown": "the server has shown how far the jobs are; nothing is written",
    "collect_finished.written": "what it showed is written, and not committed",
    "collect_finished.collected": "committed; a completed batch is not announced",
    "export_annotations.begun": "the ledger was read; CVAT was not asked",
    "export_annotations.marker_created": "the tag of the neutral write is created in CVAT, not deleted",
    "export_annotations.marker_deleted": "the tag is deleted; no new export was requested",
    "export_annotations.file_written": "the dataset file is on disk; the bucket does not have it",
    "export_annotations.file_uploaded": "the bucket has the dataset file; the ledger does not know",
    "export_annotations.recorded": "the ledger has the export",
}
"""Every point, and what has and has not happened there."""

EXIT_STATUS = 137
"""What a shell shows of a process that was ended by kill -9."""

_armed: tuple[str, int] = ("", 0)


def arm(at: str | None) -> None:
    """End this process when it passes a point, `create_task.sent`, or passes it the n-th time, `create_task.sent:2`.

    None disarms. Raises SettingsError where there is no such point.
    """
    global _armed  # noqa: PLW0603 - a process has one death
    name, _, passing = (at or "").partition(":")
    if at and (name not in FAILPOINTS or not (passing or "1").isdecimal()):
        raise SettingsError(
            f"LABELYARD_FAILPOINT names {at!r}", next_step=f"write one of {', '.join(FAILPOINTS)}, or none"
        )
    _armed = (name, int(passing or 1))


def failpoint(name: str) -> None:
    """End the process here if that was asked for."""
    global _armed  # noqa: PLW0603
    if _armed[0] != name:
        return
    _armed = (name, _armed[1] - 1)
    if _armed[1] == 0:
        end()


def end() -> None:
    """Die, now."""
    os._exit(EXIT_STATUS)
