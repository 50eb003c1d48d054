"""The annotation set: a task's annotations with what is needed to understand them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from labelyard.domain.annotations import Annotations, Interpolation
from labelyard.domain.tasks import Frame, FrameUse, Task


@dataclass(frozen=True, slots=True)
class AnnotationSet:
    """Everything that people drew in a task, as one reading of the annotations API returned it.

    `task` has the labels, and the jobs with their assignees; its `updated` changes with every later write. `jobs` has
    the id of the job that holds an annotation, by kind ("shape", "track", "tag") and id. Ground-truth jobs and
    consensus replicas are not part of it; frames say whether they are data.
    """

    task: Task
    frames: tuple[Frame, ...]
    annotations: Annotations
    jobs: Mapping[tuple[str, int], int]
    interpolation: Interpolation

    def data_frames(self) -> Iterator[tuple[int, Frame]]:
        """Yield number and frame of those that are data."""
        yield from ((number, frame) for number, frame in enumerate(self.frames) if frame.use is FrameUse.DATA)
