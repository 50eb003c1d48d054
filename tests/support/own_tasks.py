"""Tasks that a test creates on a CVAT, and deletes again."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from labelyard.cvat import Cvat
from labelyard.domain.tasks import CreationState, DataSpec, Receipt, Task, TaskSpec, UploadFile
from tests.support.cvat_tasks import LABELS, wait_for_frames
from tests.support.upload_files import upload_file

SECONDS = 120
"""How long a server may take to create frames."""


@dataclass
class OwnTasks:
    """Creates a test's tasks, and deletes them again, with unique names."""

    cvat: Cvat
    suffix: str = field(default_factory=lambda: uuid4().hex)
    names: list[str] = field(default_factory=list)
    receipts: dict[int, Receipt] = field(default_factory=dict)

    def create(self, name: str = "contract {}", **options: Any) -> Task:
        """Create a task; {} in its name becomes the suffix."""
        unique = name.format(self.suffix)
        self.names.append(unique)
        return self.cvat.create_task(TaskSpec(unique, options.pop("labels", LABELS), **options))

    def upload(self, task: Task, files: list[UploadFile]) -> Receipt:
        self.receipts[task.id] = self.cvat.upload(task.id, files, DataSpec())
        return self.receipts[task.id]

    def with_frames(self, name: str = "contract {}", **options: Any) -> Task:
        """Create a task of five frames, in three jobs."""
        task = self.create(name, segment_size=2, overlap=0, **options)
        self.upload(task, [upload_file(f"{number}.jpg") for number in range(5)])
        return wait_for_frames(self.cvat, task.id, SECONDS)

    def delete_all(self) -> None:
        for name in dict.fromkeys(self.names):
            for task in self.cvat.find_tasks(name):
                self._wait_until_at_rest(task)
                self.cvat.delete_task(task.id)

    def _wait_until_at_rest(self, task: Task) -> None:
        """A task must not be deleted while the server creates its frames."""
        end = time.monotonic() + SECONDS
        while task.id in self.receipts and not task.jobs and time.monotonic() < end:
            if self.cvat.creation(self.receipts[task.id]).state is CreationState.FAILED:
                return
            time.sleep(0.1)
            task = self.cvat.task(task.id)
