"""A sandbox with a task of photographs, its jobs assigned to given users."""

from __future__ import annotations

from collections.abc import Sequence

from labelyard.cvat import Cvat, connect
from labelyard.demo.photographs import photographs
from labelyard.domain.tasks import DataSpec, Task, TaskSpec, UploadFile
from tests.support.cvat_tasks import wait_for_frames
from tests.support.labels_of_every_kind import BODY, NEW_LABELS

USERS = ["root:rootpass:superuser", "anna:annapass:annotator", "ben:benpass"]
USERS_OF_2X = ["root:rootpass:superuser", "anna:annapass:superuser", "ben:benpass:superuser"]
"""There an annotator sees his jobs alone, and bots look for tasks."""


def logged_in(url: str, name: str, dialect: str = "v1") -> Cvat:
    return connect(url, username=name, password=f"{name}pass", dialect=dialect)


def task_of_photographs(root: Cvat, name: str, count: int, *, segment_size: int, people: Sequence[int | None]) -> Task:
    """A task of the first photographs, its jobs given to `people` in turn."""
    labels = (*NEW_LABELS, BODY) if root.quirks.label_types else NEW_LABELS
    task = root.create_task(TaskSpec(name, labels, segment_size=segment_size))
    paths = [photograph.path for photograph in photographs().values()][:count]
    files = [UploadFile(p.name, p.stat().st_size, lambda p=p: p.open("rb"), "image/jpeg") for p in paths]  # type: ignore[misc]
    root.upload(task.id, files, DataSpec(image_quality=70))
    task = wait_for_frames(root, task.id, seconds=60)
    assert task.size == count
    for number, job in enumerate(task.jobs):
        root.assign(job.id, people[number % len(people)])
    return root.task(task.id)
