"""Checks of annotations before they are sent, of what CVAT accepts and then spoils."""

from __future__ import annotations

from collections.abc import Iterator

from labelyard.domain.annotations import Annotations, Shape, ShapeType, TrackedShape
from labelyard.domain.tasks import Job
from labelyard.errors import InputError


def check_masks(annotations: Annotations) -> None:
    """Raise InputError for a mask whose runs do not fill its box.

    CVAT saves any. With fewer runs its exports have chance pixels, other ones each time [2.73 0368, 0732]; with more
    every export of the task fails [2.54 657, 699].
    """
    for mask in _masks(annotations):
        runs, box = mask.points[:-4], mask.points[-4:]
        area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1) if len(box) == 4 else 0.0
        if sum(runs) != area or min(runs, default=-1.0) < 0:
            raise InputError(
                f"the runs of a mask cover {sum(runs):g} pixels, and its box has {area:g}",
                where=f"frame {mask.frame}, {ShapeType.MASK}",
                next_step="write run lengths over the box, row by row, then left, top, right, bottom",
            )


def check_frames(annotations: Annotations, job: Job) -> None:
    """Raise InputError for a frame that is not the job's: CVAT keeps it where nobody sees it [2.73 0377, 0378]."""
    frames = [shape.frame for shape in annotations.shapes] + [tag.frame for tag in annotations.tags]
    frames += [track.frame for track in annotations.tracks]
    frames += [shape.frame for track in annotations.tracks for shape in track.shapes]
    for frame in frames:
        if not job.start_frame <= frame <= job.stop_frame:
            raise InputError(
                f"frame {frame} is none of the job's, which are {job.start_frame} to {job.stop_frame}",
                where=f"job {job.id}",
                next_step=f"write it to the job that has the frame: labelyard cvat jobs {job.task_id}",
            )


def _masks(annotations: Annotations) -> Iterator[Shape | TrackedShape]:
    yield from (shape for shape in annotations.shapes if shape.type is ShapeType.MASK)
    yield from (shape for track in annotations.tracks for shape in track.shapes if shape.type is ShapeType.MASK)
