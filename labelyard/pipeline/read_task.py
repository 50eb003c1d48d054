"""Reading a task: the annotations API is the truth, and CVAT's own lossless export its witness.

On CVAT 1.0.0 that export can be stale: it misses what was saved while it was written, and stays so until the next
write. If it differs there: wait for the running export, make a neutral write to invalidate CVAT's cache, export again.
Nothing is ever written on CVAT 2.x.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.annotations.content import FrameObject
from labelyard.annotations.faults import fault_of
from labelyard.annotations.objects import ExpandedObjects, frame_objects
from labelyard.annotations.reading import read_annotation_set
from labelyard.annotations.witness import Comparison, compare, describe
from labelyard.cvat import Cvat
from labelyard.domain.annotations import Annotations, Change, Tag
from labelyard.domain.formats import COUNTED_SERVER_FORMATS, CVAT_IMAGES, CVAT_PREFIX, CVAT_VIDEO
from labelyard.domain.tasks import FrameUse, Job, Task
from labelyard.errors import ExportFailed, ExportOutdated
from labelyard.failpoints import failpoint
from labelyard.formats.cvat_xml import read_cvat_xml
from labelyard.formats.interface import Provenance
from labelyard.pipeline.shown_sizes import ShownSizes, frames_as_shown

_log = logging.getLogger(__name__)

_LOGGED_WARNINGS = 20

_MARKER_GROUP = 0x6C616279
"""The group of a neutral write's tag ("laby" in ASCII). Tools number groups from 1, so no person's tag has it."""


@dataclass(frozen=True)
class ServerFile:
    """A zip in one of the server's formats. `content` says what it holds; None for a format that is not read here."""

    path: Path
    content: Comparison | None = None


@dataclass(frozen=True)
class TaskReading:
    """Everything that was drawn in a task, while it did not change.

    `witness` is CVAT's own zip; None if that export failed. `warnings` say where it differs, or why there is none.
    `exports` counts the server's exports of it. `server_files` are those of further formats, by the server's name.
    """

    annotations: AnnotationSet
    objects: tuple[FrameObject, ...]
    witness: Path | None
    exports: int
    server_files: Mapping[str, ServerFile]
    warnings: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Where the annotations come from, in words."""
        compared = "not compared with CVAT's own export" if self.witness is None else "equal to CVAT's own export"
        if self.witness is not None and self.warnings:
            compared = "compared with CVAT's own export, which differs"
        return f"CVAT's annotations API, {compared}"


@dataclass(frozen=True)
class TaskReader:
    """Reads one task of a CVAT. `get_task` raises if the task is not in the state that is wanted.

    `before_write` is called before each write to CVAT. `sizes` are those in which images are shown, by frame name.
    `server_formats` are the server's names of formats whose files are wanted as well.
    """

    cvat: Cvat
    get_task: Callable[[], Task]
    folder: Path
    deadline: float
    sizes: ShownSizes
    before_write: Callable[[], None] = lambda: None
    server_formats: tuple[str, ...] = ()

    def read(self) -> TaskReading:
        """Return what the task holds.

        Raises ExportOutdated if people continue to work, ExportFailed if the server cannot write one of its formats.
        """
        can_be_stale = self.cvat.quirks.export_can_be_stale
        if can_be_stale:
            self._delete_leftover_markers()
            self._invalidate_server_formats()
        last_attempt = 3 if can_be_stale else 2
        for attempt in range(1, last_attempt + 1):
            task = self.get_task()
            reading = self._read(task, attempt)
            if self.get_task().work_updated != task.work_updated:
                continue  # somebody has saved meanwhile
            if not reading.warnings:
                return reading
            _log.warning("task %d, export %d: %s", task.id, attempt, "; ".join(reading.warnings[:_LOGGED_WARNINGS]))
            if attempt == last_attempt or (reading.witness is None and _has_faults(reading)):
                return reading
            if can_be_stale:
                self._invalidate_cached_export(task)
        raise ExportOutdated("the annotations changed while they were read", where=f"CVAT task {self.get_task().id}")

    def _read(self, task: Task, attempt: int) -> TaskReading:
        frames = frames_as_shown(self.cvat.frames(task.id), self.sizes)
        annotations = read_annotation_set(self.cvat, task, frames)
        drawn = frame_objects(annotations)
        witness: Path | None = self.folder / "witness.zip"
        try:
            found = self._compare_with_witness(annotations, drawn, self.folder / "witness.zip")
            objects, warnings = found.objects, found.difference.lines
        except ExportFailed as error:
            objects, witness = drawn.objects, None
            warnings = (f"not compared with CVAT's own export, which failed: {error.what}",)
        server_files = {
            name: ServerFile(path, _content(annotations, drawn, path) if name in COUNTED_SERVER_FORMATS else None)
            for name, path in self._export_server_formats(task.id).items()
        }
        return TaskReading(annotations, objects, witness, attempt, server_files, warnings)

    def _compare_with_witness(self, annotations: AnnotationSet, drawn: ExpandedObjects, to: Path) -> Comparison:
        found = annotations.annotations
        format_name = CVAT_VIDEO if found.tracks and not (found.shapes or found.tags) else CVAT_IMAGES
        self.cvat.export(annotations.task.id, to, format_name=format_name, deadline=self.deadline)
        return _compare(annotations, drawn, to)

    # --- the server's own formats ---

    def _export_server_formats(self, task_id: int) -> dict[str, Path]:
        known = self.cvat.export_formats() if self.server_formats else ()
        files = {name: self.folder / f"server-{number}.zip" for number, name in enumerate(self.server_formats)}
        for name, file in files.items():
            if name not in known:
                near = get_close_matches(name, known, n=1)
                raise ExportFailed(
                    f"{self.cvat.url} has no format {name!r}",
                    where="export.formats in the dataset file",
                    next_step=f"write {CVAT_PREFIX}{near[0]}" if near else f"write one of {', '.join(known)}",
                )
            self.cvat.export(task_id, file, format_name=name, deadline=self.deadline)
        return files

    def _invalidate_server_formats(self) -> None:
        """Make CVAT forget its cached files of the server's formats, which nothing can be compared with."""
        if self.server_formats:
            task = self.get_task()
            self._export_server_formats(task.id)  # ends exports that run: the write would come too early for them
            self._invalidate_cached_export(task)

    # --- CVAT's cache ---

    def _invalidate_cached_export(self, task: Task) -> None:
        """Make CVAT forget its cached file: create a tag and delete it again. Only a real write has this effect."""
        self.before_write()
        # Any job and label will do: the cached file belongs to the task.
        job, label = task.jobs[0], task.labels[0]
        tag = Annotations(tags=(Tag(frame=job.start_frame, label_id=label.id, group=_MARKER_GROUP),))
        created = self.cvat.change_annotations(job.id, Change.CREATE, tag)
        failpoint("export_annotations.marker_created")
        self.cvat.change_annotations(job.id, Change.DELETE, created)
        failpoint("export_annotations.marker_deleted")

    def _delete_leftover_markers(self) -> None:
        """Delete the tag of a run that died in the middle of a neutral write."""
        job = self.get_task().jobs[0]
        leftover = tuple(tag for tag in self.cvat.annotations(job.id).tags if tag.group == _MARKER_GROUP)
        if leftover:
            self.before_write()
            self.cvat.change_annotations(job.id, Change.DELETE, Annotations(tags=leftover))


def _content(annotations: AnnotationSet, drawn: ExpandedObjects, export: Path) -> Comparison | None:
    """Return what a file of CVAT's holds of everything that was drawn; None if it cannot be read."""
    try:
        return _compare(annotations, drawn, export, every_frame=True)
    except ExportFailed as error:
        _log.warning("%s", error)
        return None


def _compare(
    annotations: AnnotationSet, drawn: ExpandedObjects, export: Path, *, every_frame: bool = False
) -> Comparison:
    """Compare what was drawn with CVAT's file: on the frames that are data and in the file, or on `every_frame`."""
    found = read_cvat_xml(export, annotations.task.labels)
    names = {
        number: frame.name
        for number, frame in enumerate(annotations.frames)
        if every_frame or (frame.use is FrameUse.DATA and (found.frames is None or number in found.frames))
    }
    return compare(drawn, [one for one in found.objects if one.frame in names], names)


def task_provenance(reading: TaskReading) -> Provenance:
    """Return where the annotations come from, as far as CVAT knows it."""
    task = reading.annotations.task
    year = int(task.updated[:4] or 0)
    return Provenance(task.id, reading.source, year, jobs=tuple(map(_job, task.jobs)), warnings=reading.warnings)


def _job(job: Job) -> dict[str, Any]:
    optional = {"updated": job.updated, "stage": job.stage}
    return {
        "id": job.id,
        "frames": [job.start_frame, job.stop_frame],
        "assignee": job.assignee,
        **{name: value for name, value in optional.items() if value},
    }


def location(annotations: AnnotationSet, one: FrameObject, task_url: str) -> str:
    """Return where an object is, for people: frame, file, job and link."""
    known = 0 <= one.frame < len(annotations.frames)
    words = describe(one, annotations.frames[one.frame].name if known else None)
    if one.job is None:
        return f"{words}, {task_url}"
    return f"{words}, job {one.job}, {task_url}/jobs/{one.job}?frame={one.frame}"


def _has_faults(reading: TaskReading) -> bool:
    """Return whether an object has a fault on which CVAT's exports fail: another one would fail as well."""
    labels = {label.name: label for label in reading.annotations.task.labels}
    sizes = {number: (frame.width, frame.height) for number, frame in enumerate(reading.annotations.frames)}
    return any(fault_of(one, labels, sizes.get(one.frame)) for one in reading.objects)
