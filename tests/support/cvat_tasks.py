"""The labels of the tests' tasks, and waiting for the server to create frames."""

from __future__ import annotations

import time

from labelyard.cvat import Cvat
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Creation, CreationState, Receipt, Task

CAR = (
    AttributeSpec("make", InputType.TEXT, "?", ("?",)),
    AttributeSpec("n", InputType.NUMBER, "0", ("0", "9", "1")),
)
LABELS = (Label("car", CAR), Label("person"))


def wait_for_frames(cvat: Cvat, task_id: int, seconds: float = 30) -> Task:
    """Return the task once it has frames and jobs."""
    end = time.monotonic() + seconds
    while not (task := cvat.task(task_id)).jobs:
        assert time.monotonic() < end, "no frames"
        time.sleep(0.02)
    return task


def wait_for_failure(cvat: Cvat, receipt: Receipt, seconds: float = 30) -> Creation:
    """Return the status of creating frames once it has failed."""
    end = time.monotonic() + seconds
    while (creation := cvat.creation(receipt)).state is not CreationState.FAILED:
        assert time.monotonic() < end, f"not failed: {creation}"
        time.sleep(0.02)
    return creation
