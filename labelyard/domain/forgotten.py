"""Whether a server still works on an upload, or has forgotten it: its queue was lost, or its worker was killed."""

from __future__ import annotations

from dataclasses import dataclass

from labelyard.domain.tasks import Creation, CreationState, Task


@dataclass(frozen=True, slots=True)
class Timeouts:
    """For how many seconds the signs of an upload may stay the same before it counts as forgotten."""

    finished: float
    started: float
    per_file: float = 1.0
    """Added to `started` for each file: CVAT 1.0.0 reports nothing while it extracts the files."""


def upload_progress(task: Task, creation: Creation) -> str:
    """Return what the server says about an upload. While it stays the same, there is no progress."""
    if not task.received:
        return "it has not received the upload"
    return f"{creation.state}: {creation.message}" if creation.message else str(creation.state)


def why_forgotten(task: Task, creation: Creation, files: int, unchanged: float, timeouts: Timeouts) -> str:
    """Return why the server has forgotten the upload; an empty string while it may still work on it.

    `unchanged` is for how many seconds state and message have been the same. A queued upload is never forgotten: it
    may wait behind others for as long as they take.
    """
    if not task.received or task.size or task.jobs:
        return ""
    # Measured on 1.0.0: Finished with data and without frames also appears for a moment before the job is queued. 2.x
    # answers 404 about a request that it does not know any more.
    if creation.state in {CreationState.FINISHED, CreationState.UNKNOWN} and unchanged > timeouts.finished:
        return f"CVAT has lost the upload: {creation.state} for {unchanged:.0f} s without a frame (its queue was lost)"
    if creation.state is CreationState.STARTED and unchanged > timeouts.started + files * timeouts.per_file:
        return f"CVAT has stopped working on the upload: no progress for {unchanged:.0f} s (its worker was killed)"
    return ""
