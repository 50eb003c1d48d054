"""Find what is wrong with what was drawn in completed jobs, and can be repaired by who drew it.

These are shapes that no dataset can hold, and the errors of `labelyard check` that are about what people draw. A job is
read by itself, before its task is completed, so what concerns the file as a whole is not looked for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from labelyard.annotations.account import account_of
from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.annotations.content import Content, FrameObject, Kind
from labelyard.annotations.objects import frame_objects
from labelyard.annotations.outlines import extent
from labelyard.annotations.selection import Selection, select
from labelyard.domain.job_faults import JobFault
from labelyard.domain.tasks import Frame, Job, Task
from labelyard.formats.checks.drawing import drawing_errors
from labelyard.formats.checks.fault import DatasetFacts
from labelyard.formats.coco.write import Documents
from labelyard.formats.interface import DatasetFile, FormatOptions, Provenance
from labelyard.ledger import batches, datasets
from labelyard.ledger.tables import Object
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.exported_images import excluded_frames, exported_images
from labelyard.pipeline.shown_sizes import frames_as_shown, shown_sizes


def find_faults(lease: BatchLease, task: Task, jobs: Collection[Job]) -> Mapping[int, tuple[JobFault, ...]]:
    """Return the faults of each of these jobs of a task, by the job's id; frame by frame. Raises CvatErrors."""
    if not jobs:
        return {}
    with lease.ledger.read_only() as tx:
        members = [one for one in batches.members(tx, lease.batch_id) if one.upload_name]
        known = DatasetFacts(lease.spec, datasets.categories(tx, lease.spec.name))
    frames = tuple(frames_as_shown(lease.cvat.frames(task.id), shown_sizes(members)))
    found = _FaultFinder(lease, task, members, frames, known)
    return {job.id: tuple(sorted(found.faults(job), key=lambda fault: fault.frame)) for job in jobs}


Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True, slots=True)
class _FaultFinder:
    lease: BatchLease
    task: Task
    members: Sequence[Object]
    frames: tuple[Frame, ...]
    known: DatasetFacts

    def faults(self, job: Job) -> Iterator[JobFault]:
        """Yield the faults of one job."""
        cvat = self.lease.cvat
        drawn = AnnotationSet(self.task, self.frames, cvat.annotations(job.id), {}, cvat.quirks.interpolation)
        own = range(job.start_frame, job.stop_frame + 1)
        objects = [
            replace(one, outline_certain=True)  # that it is not known is no fault of the annotator
            for one in frame_objects(drawn).objects
            if one.frame in own or not 0 <= one.frame < len(self.frames)
        ]
        excluded = excluded_frames(self.lease, self.members, drawn)
        images = [one for one in exported_images(self.members, drawn, excluded) if one.frame in own]
        selection = select(drawn, objects, images, excluded)
        yield from self._faulty_shapes(selection, job)
        yield from self._errors(selection.content)

    def _faulty_shapes(self, selection: Selection, job: Job) -> Iterator[JobFault]:
        known = set[tuple[str | int, str]]()
        for left_out in selection.faulty:
            one = left_out.object
            # A track has the same fault on each of its frames.
            what = (one.origin if one.track is not None else len(known), left_out.reason)
            if what not in known:
                known.add(what)
                beyond = "" if 0 <= one.frame < len(self.frames) else f": {one.frame}"
                frame = job.start_frame if beyond else one.frame
                box = _box_of(one, self.frames[frame])
                where = _where_of(box) if box else ""
                message = f"{one.kind} {one.label!r}{where}: {left_out.reason}{beyond}"
                yield JobFault(frame, message, box or _whole(self.frames[frame]))

    def _errors(self, content: Content) -> Iterator[JobFault]:
        """Yield the errors of a COCO file of this content; of an image only if no other job has it as well."""
        jobs_of = Counter(frame for job in self.task.jobs for frame in range(job.start_frame, job.stop_frame + 1))
        category_ids = {label.name: number for number, label in enumerate(content.labels, 1)}
        export = self.lease.spec.export
        options = FormatOptions(export.rectangles_as_polygons, export.groups, self.lease.cvat.quirks.boxes_lead_groups)
        file = DatasetFile(
            content, account_of([], []), category_ids, Provenance(self.task.id, "", 0), options, self.known
        )
        names = {number: name for name, number in category_ids.items()}
        for error in drawing_errors(Documents(file).main(), self.known):
            frame, annotation = error.image["cvat_frame"], error.annotation
            if annotation is None and jobs_of[frame] == 1:
                whole = (0.0, 0.0, float(error.image["width"]), float(error.image["height"]))
                yield JobFault(frame, f"the image {error.message}", whole)
            elif annotation is not None:
                left, top, width, height = annotation["bbox"]
                box = (left, top, left + width, top + height)
                yield JobFault(frame, f"{names[annotation['category_id']]!r}{_where_of(box)}: {error.message}", box)


def _where_of(box: Box) -> str:
    """Return where a box begins in words: each fault has words of its own, so one issue is not about two."""
    return f" at {box[0]:.0f}, {box[1]:.0f}"


def _whole(frame: Frame) -> Box:
    return 0.0, 0.0, float(frame.width), float(frame.height)


def _box_of(one: FrameObject, frame: Frame) -> Box | None:
    """Return the box of an object as far as it is on its frame; None if that is not known."""
    points = [value for point in one.keypoints if not point.outside for value in (point.x, point.y)]
    points = points or list(one.points[-4:] if one.kind is Kind.MASK else one.points)
    if len(points) < 2 or len(points) % 2 or not all(map(math.isfinite, points)):
        return None
    left, top, right, bottom = extent(points)
    _, _, width, height = _whole(frame)
    return _within(left, width), _within(top, height), _within(right, width), _within(bottom, height)


def _within(value: float, most: float) -> float:
    return min(max(value, 0.0), most)
