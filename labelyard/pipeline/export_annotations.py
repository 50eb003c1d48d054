"""export_annotations: write the task's annotations to the bucket as a dataset file, complete up to the last edit.

CVAT's own export can be stale: it misses what was saved while it was written, and stays so until the next write. So it
is compared with the annotations API. If it differs: wait for the running export, make a neutral write to invalidate
CVAT's cache, export again. After three exports that differ or fail, the file is written from the annotations API, and
says so.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labelyard.annotations.comparison import compare
from labelyard.annotations.content import AnnotatedImages
from labelyard.config import Deletions
from labelyard.domain.annotations import Annotations, Change, Tag
from labelyard.domain.objects import s3_url
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus, Task
from labelyard.errors import ExportFailed, ExportOutdated
from labelyard.failpoints import failpoint
from labelyard.formats import FORMATS
from labelyard.formats.checks.fault import DatasetFacts, Fault, summary
from labelyard.formats.interface import ExpectedExport, Format, Original, Provenance, WrittenFile, WrittenFrom
from labelyard.ledger import Transaction, batches, datasets, exports, tasks
from labelyard.ledger.tables import Export, Object
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.create_task import task_url
from labelyard.pipeline.leftover_tasks import delete_leftover_tasks
from labelyard.pipeline.shown_sizes import ShownSizes, frames_as_shown, shown_sizes, turned

_log = logging.getLogger(__name__)
_FORMAT_NAME = exports.DEFAULT_FORMAT
_FORMAT: Format = FORMATS[_FORMAT_NAME]
_MAX_EXPORTS = 3
_MARKER_GROUP = 0x6C616279
"""The group of a neutral write's tag ("laby" in ASCII). Tools number groups from 1, so no person's tag has it."""


@dataclass(frozen=True)
class Exported:
    """The file in the bucket; `tries` is how many exports CVAT had to make."""

    url: str
    generation: int
    images: int
    annotations: int
    source: str
    tries: int

    def __str__(self) -> str:
        return f"generation {self.generation}: {self.images} images, {self.annotations} annotations in {self.url}"


@dataclass(frozen=True)
class _Batch:
    """What the ledger says of the batch when its export begins."""

    task_id: int
    members: Sequence[Object]
    version: int
    generation: int
    dataset: DatasetFacts


@dataclass(frozen=True)
class _TaskContent:
    """The content of a task that did not change while it was read; `tries` counts CVAT's exports."""

    images: AnnotatedImages
    written_from: WrittenFrom
    task: Task
    tries: int


def export_annotations(lease: BatchLease) -> Exported:
    """Write a dataset file that holds exactly the task's annotations to the bucket, and record it.

    Raises ExportOutdated if people continued to work; ExportFailed if the format cannot hold the annotations.
    """
    batch = _read_batch(lease)
    failpoint("export_annotations.begun")
    # Here, long after the creation: a delayed creation has taken effect by now.
    delete_leftover_tasks(lease.ledger, lease.cvat, lease.batch_id)
    with _spool_folder(lease) as folder:
        content = _read_task(lease, batch, folder / "export.zip")
        left_out = _names_to_leave_out(lease, batch.members, content.images)
        written = _write_file(lease, batch, content, left_out, folder / f"dataset{_FORMAT.suffix}")
        failpoint("export_annotations.file_written")
        with lease.transaction() as tx:
            _require_unchanged(tx, lease, content, left_out)
            export = exports.add_unfinished(tx, _new_export(lease, batch, content, written))
        lease.context.store.write(export.bucket, export.key, written.path, _FORMAT.media_type)
        failpoint("export_annotations.file_uploaded")
    with lease.transaction() as tx:
        _require_unchanged(tx, lease, content, left_out)
        exported = _record(tx, exports.finish(tx, export.id), written.warnings)
    failpoint("export_annotations.recorded")
    _log.info("%s: %s", lease.batch_id, exported)
    return exported


def _read_batch(lease: BatchLease) -> _Batch:
    with lease.ledger.read_only() as tx:
        _, task_id = tasks.require_current(tx, lease.batch_id)
        return _Batch(
            task_id,
            _uploaded_members(tx, lease),
            batches.get(tx, lease.batch_id).version,
            exports.next_generation(tx, lease.batch_id, _FORMAT_NAME),
            DatasetFacts(lease.spec, datasets.categories(tx, lease.spec.name)),
        )


def _uploaded_members(tx: Transaction, lease: BatchLease) -> list[Object]:
    return [member for member in batches.members(tx, lease.batch_id) if member.upload_name]


# --- the content of the task ------------------------------------------------------------------------------------------


def _read_task(lease: BatchLease, batch: _Batch, to: Path) -> _TaskContent:
    """Return the content of CVAT's export if it equals the annotations API, else that of the annotations API."""
    task_id, shown = batch.task_id, shown_sizes(batch.members)
    # Before the task is read: deleting the tag changes `updated`.
    _delete_leftover_markers(lease, task_id)
    if names := turned(lease.cvat.frames(task_id), shown):
        # CVAT clips polygons and masks at the size that it states.
        _log.warning("%s: CVAT's export has a false size of %s; writing the annotations", lease.batch_id, names[0])
        return _read_annotations(lease, task_id, shown, tries=0)
    for attempt in range(1, _MAX_EXPORTS + 1):
        task = _completed_task(lease, task_id)
        expected = _expected_export(lease, task, shown)
        try:
            images = _fresh_export(lease, task, expected, to)
        except ExportFailed as error:
            _log.warning("%s: export %d of task %d: %s", lease.batch_id, attempt, task_id, error.what)
            _invalidate_cached_export(lease, task)
        else:
            return _TaskContent(images, WrittenFrom.EXPORT, task, attempt)
    _log.warning("%s: task %d has no usable export; writing its annotations instead", lease.batch_id, task_id)
    return _read_annotations(lease, task_id, shown, tries=_MAX_EXPORTS)


def _fresh_export(lease: BatchLease, task: Task, expected: ExpectedExport, to: Path) -> AnnotatedImages:
    """Return the content of CVAT's export. Raises ExportFailed if it fails or differs from what is expected."""
    deadline = lease.context.settings.export_deadline_seconds
    lease.cvat.export(task.id, to, format_name=_FORMAT.cvat_name, deadline=deadline)
    found = _FORMAT.read_export(to)
    if difference := compare(expected.content, found):
        raise ExportFailed(f"it differs from the annotations: {difference}")
    # `updated` changes with every real write of annotations and, as measured on 1.0.0, with nothing else.
    if _completed_task(lease, task.id).updated != task.updated:
        raise ExportFailed("the annotations changed while it was written")
    return found


def _read_annotations(lease: BatchLease, task_id: int, shown: ShownSizes, tries: int) -> _TaskContent:
    task = _completed_task(lease, task_id)
    expected = _expected_export(lease, task, shown)
    if _completed_task(lease, task_id).updated != task.updated:
        raise ExportOutdated("the annotations changed while they were read", where=lease.where(task_id))
    return _TaskContent(expected.content.likeliest, WrittenFrom.ANNOTATIONS, task, tries)


def _completed_task(lease: BatchLease, task_id: int) -> Task:
    task = lease.cvat.task(task_id)
    open_jobs = [job.id for job in task.jobs if job.status is not JobStatus.COMPLETED]
    if open_jobs:
        raise ExportOutdated(f"job {open_jobs[0]} is no longer completed", where=lease.where(task_id))
    return task


def _expected_export(lease: BatchLease, task: Task, shown: ShownSizes) -> ExpectedExport:
    """Return what the export should hold. Raises ExportFailed naming the shapes on which CVAT's export fails."""
    annotations = lease.cvat.task_annotations(task.id)
    frames = frames_as_shown(lease.cvat.frames(task.id), shown)
    expected = _FORMAT.expected_export(annotations, frames, task.labels)
    if expected.faults:
        raise ExportFailed(
            summary(expected.faults),
            where=lease.where(task.id),
            next_step=f"correct it in {task_url(lease.cvat, task.id)}, then: labelyard retry {lease.batch_id}",
        )
    return expected


# --- CVAT's cache -----------------------------------------------------------------------------------------------------


def _invalidate_cached_export(lease: BatchLease, task: Task) -> None:
    """Make CVAT forget its cached file: create a tag and delete it again. Only a real write has this effect."""
    lease.check()
    # Any job and label will do: the cached file belongs to the task, and no tag is in a COCO file.
    job, label = task.jobs[0], task.labels[0]
    tag = Annotations(tags=(Tag(frame=job.start_frame, label_id=label.id, group=_MARKER_GROUP),))
    created = lease.cvat.change_annotations(job.id, Change.CREATE, tag)
    failpoint("export_annotations.marker_created")
    lease.cvat.change_annotations(job.id, Change.DELETE, created)
    failpoint("export_annotations.marker_deleted")


def _delete_leftover_markers(lease: BatchLease, task_id: int) -> None:
    """Delete the tag of a run that died in the middle of a neutral write."""
    job = lease.cvat.jobs(task_id)[0]
    leftover = tuple(tag for tag in lease.cvat.annotations(job.id).tags if tag.group == _MARKER_GROUP)
    if leftover:
        lease.check()
        lease.cvat.change_annotations(job.id, Change.DELETE, Annotations(tags=leftover))


# --- the file ---------------------------------------------------------------------------------------------------------


def _names_to_leave_out(lease: BatchLease, members: Sequence[Object], images: AnnotatedImages) -> set[str]:
    """Return the upload names to leave out: quarantined, deleted (if `deletions: drop`) or unknown objects."""
    drop = lease.spec.deletions is Deletions.DROP
    kept = {m.upload_name for m in members if m.quarantine_reason is None and not (drop and m.deleted_at is not None)}
    unknown = {image.name for image in images.images} - {member.upload_name for member in members}
    for name in unknown:  # in a task that a person created
        _log.warning("%s: %s is left out: it is not an object of the dataset", lease.batch_id, name)
    return {image.name for image in images.images} - kept


def _write_file(lease: BatchLease, batch: _Batch, content: _TaskContent, left_out: set[str], to: Path) -> WrittenFile:
    annotators = tuple({job.assignee for job in content.task.jobs if job.assignee is not None})
    provenance = Provenance(
        batch.version, lease.batch_id, batch.task_id, batch.generation, content.written_from, annotators
    )
    originals = _originals(batch.members, content.images)
    return _FORMAT.write(content.images.without(left_out), originals, batch.dataset, provenance, to)


def _originals(members: Sequence[Object], images: AnnotatedImages) -> Mapping[str, Original]:
    """Return the object behind each image, by its name in CVAT."""
    frames = {image.name: frame for frame, image in enumerate(images.images)}
    by_name = {member.upload_name or "": member for member in members}
    return {
        name: Original(by_name[name].stored, frames[name], by_name[name].exif_orientation)
        for name in by_name.keys() & frames
    }


def _require_unchanged(tx: Transaction, lease: BatchLease, content: _TaskContent, left_out: set[str]) -> None:
    """Raise ExportOutdated if the batch or its objects changed while the file was written."""
    batch = batches.get(tx, lease.batch_id, lock=True)
    if batch.state is not BatchState.COMPLETED:
        raise ExportOutdated(f"the batch is {batch.state} again", where=lease.batch_id)
    if _names_to_leave_out(lease, _uploaded_members(tx, lease), content.images) != left_out:
        what = "an object was quarantined, deleted or restored while the file was written"
        raise ExportOutdated(what, where=lease.batch_id)


def _new_export(lease: BatchLease, batch: _Batch, content: _TaskContent, written: WrittenFile) -> Export:
    key = f"{lease.spec.export.prefix}{lease.batch_id}-g{batch.generation}-{written.sha256[:12]}{_FORMAT.suffix}"
    return Export(
        batch_id=lease.batch_id, format=_FORMAT_NAME, generation=batch.generation, bucket=lease.spec.export_bucket,
        key=key, sha256=written.sha256, source=content.written_from.value, images=written.images,
        annotations=written.annotations, task_updated=content.task.updated, tries=content.tries, current=False,
    )  # fmt: skip


def _record(tx: Transaction, row: Export, warnings: Sequence[Fault]) -> Exported:
    """Move the batch of a finished export to EXPORTED."""
    url = s3_url(row.bucket, row.key)
    exported = Exported(url, row.generation, row.images, row.annotations, row.source, row.tries)
    batch = batches.get(tx, row.batch_id, lock=True)
    batches.move(tx, batch, BatchState.EXPORTED, str(exported))
    batch.warning = _warning(warnings)
    return exported


def _warning(warnings: Sequence[Fault]) -> str | None:
    """Return the batch's warning in one line; all of them are in the file's `info.warnings`."""
    if not warnings:
        return None
    all_of_them = " (all: info.warnings in the file)" if len(warnings) > 1 else ""
    return f"exported with warnings: {summary(warnings)}{all_of_them}"


@contextmanager
def _spool_folder(lease: BatchLease) -> Iterator[Path]:
    lease.context.settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="export-", dir=lease.context.settings.spool) as folder:
        yield Path(folder)
