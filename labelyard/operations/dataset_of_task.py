"""A dataset of one task of any CVAT, without ledger and bucket."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from labelyard.annotations.account import Account, count_kinds
from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.annotations.selection import select
from labelyard.config.fields import unknown_choice
from labelyard.cvat import Cvat
from labelyard.domain.tasks import Task
from labelyard.errors import CvatNotFound, InputError
from labelyard.formats import FORMATS
from labelyard.formats.interface import FormatOptions
from labelyard.formats.writing import Target, write_dataset
from labelyard.pipeline.create_task import task_url
from labelyard.pipeline.read_task import TaskReader, TaskReading, location, task_provenance

STEM = "instances"
"""What the names of files begin with that stand alone."""


@dataclass(frozen=True)
class LeftOutObjects:
    """Objects that are not in the file, and why."""

    kind: Kind
    count: int
    reason: str


@dataclass(frozen=True)
class WrittenDataset:
    """The files of a task's dataset, with counts by kind of shape; tracks are expanded to their frames."""

    task: int
    frames: int
    drawn: Mapping[Kind, int]
    in_file: Mapping[Kind, int]
    left_out: Sequence[LeftOutObjects]
    files: Sequence[Path]
    warnings: Sequence[str]


@dataclass(frozen=True)
class TaskDataset:
    """The files of a dataset, and what became of everything that was drawn in its task."""

    task: int
    frames: int
    account: Account
    files: tuple[Path, ...]
    warnings: tuple[str, ...]

    def document(self) -> WrittenDataset:
        """Return it as `labelyard cvat dataset --json` prints it."""
        left_out: Counter[tuple[Kind, str]] = Counter()
        for one in self.account.left_out:
            left_out[one.kind, one.reason] += one.count
        return WrittenDataset(
            task=self.task,
            frames=self.frames,
            drawn=count_kinds(self.account.drawn),
            in_file=count_kinds(self.account.in_file),
            left_out=[LeftOutObjects(kind, count, why) for (kind, why), count in left_out.items()],
            files=self.files,
            warnings=self.warnings,
        )


def write_dataset_of_task(
    cvat: Cvat, task_id: int, format_name: str, to: Path, options: FormatOptions, *, deadline: float
) -> TaskDataset:
    """Write what was drawn in a task to a folder, which must be empty or not there. `deadline` is in seconds.

    Raises InputError for an unknown format, a folder with files, or a task without frames; ExportOutdated if people
    save all the time.
    """
    if format_name not in FORMATS:
        raise InputError(unknown_choice(format_name, list(FORMATS)), where="--format")
    if to.exists() and next(to.iterdir(), None) is not None:
        raise InputError("the folder is not empty", where=str(to), next_step="give another folder, or empty this one")
    with tempfile.TemporaryDirectory() as spool:
        reading = TaskReader(cvat, partial(_task_with_frames, cvat, task_id), Path(spool), deadline, {}).read()
    to.mkdir(parents=True, exist_ok=True)
    annotations = reading.annotations
    images = [Image(frame.name, frame.width, frame.height, n, frame.name) for n, frame in annotations.data_frames()]
    selection = select(annotations, reading.objects, images, {})
    target = Target(task_provenance(reading), options, partial(_location, cvat, reading))
    dataset = write_dataset(FORMATS[format_name], selection, target, to, STEM)
    return TaskDataset(task_id, len(annotations.frames), dataset.account, dataset.files, dataset.warnings)


def _task_with_frames(cvat: Cvat, task_id: int) -> Task:
    try:
        task = cvat.task(task_id)
    except CvatNotFound as error:
        error.next_step = error.next_step or "labelyard cvat tasks"
        raise
    if not task.jobs:
        next_step = f"status {task_id}" if task.received else f"upload {task_id} FILE …"
        what = "has no frames, so there is no dataset"
        raise InputError(what, where=f"CVAT task {task_id}", next_step=f"labelyard cvat {next_step}")
    return task


def _location(cvat: Cvat, reading: TaskReading, one: FrameObject) -> str:
    return location(reading.annotations, one, task_url(cvat, reading.annotations.task.id))
