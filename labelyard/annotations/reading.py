"""Reading an annotation set from the annotations API, task by task and job by job."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TypeVar

from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.cvat import Cvat
from labelyard.domain.annotations import Annotations, Shape, Tag, Track
from labelyard.domain.tasks import Frame, FrameUse, Job, Task

Item = TypeVar("Item", bound=Shape | Track | Tag)


def read_annotation_set(cvat: Cvat, task: Task, frames: Sequence[Frame]) -> AnnotationSet:
    """Return everything that people drew in a task: at one moment, if `task.updated` is the same afterwards."""
    of_jobs = {job: cvat.annotations(job.id) for job in task.jobs}
    annotations = next(iter(of_jobs.values())) if len(of_jobs) == 1 else cvat.task_annotations(task.id)
    holders = {(kind, one.id): job.id for job, found in of_jobs.items() for kind, one in _items(found)}
    # The annotations of a task with honeypots hold those of its ground-truth job.
    truth = {number for number, frame in enumerate(frames) if frame.use is FrameUse.GROUND_TRUTH}
    whole = Annotations(
        shapes=_with_strays(annotations.shapes, [(job, found.shapes) for job, found in of_jobs.items()], truth),
        tracks=_with_strays(annotations.tracks, [(job, found.tracks) for job, found in of_jobs.items()], truth),
        tags=_with_strays(annotations.tags, [(job, found.tags) for job, found in of_jobs.items()], truth),
        version=annotations.version,
    )
    return AnnotationSet(task, tuple(frames), whole, holders, cvat.quirks.interpolation)


def _items(annotations: Annotations) -> Iterator[tuple[str, Shape | Track | Tag]]:
    yield from (("shape", one) for one in annotations.shapes)
    yield from (("track", one) for one in annotations.tracks)
    yield from (("tag", one) for one in annotations.tags)


def _with_strays(
    of_task: Sequence[Item], of_jobs: Sequence[tuple[Job, Sequence[Item]]], truth: Container[int]
) -> tuple[Item, ...]:
    """Add what jobs hold on frames that are not theirs: a server may keep that from the task's annotations.

    What no job holds on the frames in `truth` is left out.
    """
    held = {one.id for _, items in of_jobs for one in items}
    of_task = [one for one in of_task if one.id in held or one.frame not in truth]
    known = {one.id for one in of_task}
    strays = (
        one
        for job, items in of_jobs
        for one in items
        if one.id not in known and not job.start_frame <= one.frame <= job.stop_frame
    )
    return (*of_task, *strays)
