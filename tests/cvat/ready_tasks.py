"""The labels of the tests' tasks, and waiting for their frames."""

from __future__ import annotations

import time

from labelyard.cvat import Cvat
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Task

CAR = (
    AttributeSpec("make", InputType.TEXT, "?", ("?",)),
    AttributeSpec("n", InputType.NUMBER, "0", ("0", "9", "1")),
)
LABELS = (Label("car", CAR), Label("person"))


def ready(cvat: Cvat, task_id: int) -> Task:
    """The task once it has frames."""
    end = time.monotonic() + 30
    while not (task := cvat.task(task_id)).jobs:
        assert time.monotonic() < end, "no frames"
        time.sleep(0.02)
    return task
