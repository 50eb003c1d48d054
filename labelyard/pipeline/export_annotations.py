"""export_annotations: write what people drew in the task to the bucket, in every format of the dataset.

The files are written from the annotation set (see `read_task`). Each has an account: what was drawn is in the file, or
left out for a reason that is named.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from labelyard.annotations.account import Account, account_of
from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.annotations.content import FrameObject, LeftOut
from labelyard.annotations.selection import Selection, select
from labelyard.config import ExportSection, FaultyShapes
from labelyard.domain.formats import ORIGINAL, is_of_server, server_name
from labelyard.domain.objects import s3_url
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus, Task
from labelyard.errors import ExportFailed, ExportOutdated
from labelyard.failpoints import failpoint
from labelyard.formats import FORMATS
from labelyard.formats.archive import write_archive
from labelyard.formats.checks.fault import DatasetFacts
from labelyard.formats.interface import FormatOptions, Provenance
from labelyard.formats.writing import Target, write_dataset
from labelyard.ledger import Transaction, batches, datasets, exports, tasks
from labelyard.ledger.tables import Export, Object
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.compare_predictions import preannotation_document
from labelyard.pipeline.create_task import task_url
from labelyard.pipeline.exported_images import excluded_frames, expected_keys, exported_images
from labelyard.pipeline.leftover_tasks import delete_leftover_tasks
from labelyard.pipeline.read_task import ServerFile, TaskReader, TaskReading, location, task_provenance
from labelyard.pipeline.review_facts import with_reviews
from labelyard.pipeline.shown_sizes import shown_sizes

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exported:
    """The files in the bucket, by format; `url` is that of the first format that the dataset names."""

    url: str
    generation: int
    images: int
    annotations: int
    left_out: int
    source: str
    exports: int
    formats: Mapping[str, str]

    def __str__(self) -> str:
        without = f", {self.left_out} left out" if self.left_out else ""
        found = f"{self.images} images, {self.annotations} annotations{without}"
        return f"generation {self.generation}: {found} in {self.url}"


@dataclass(frozen=True)
class _Batch:
    """What the ledger says of the batch when its export begins."""

    task_id: int
    members: Sequence[Object]
    version: int
    generation: int
    dataset: DatasetFacts


@dataclass(frozen=True)
class _File:
    """A file to upload, and its key."""

    path: Path
    key: str
    sha256: str
    media_type: str


@dataclass(frozen=True)
class _FormatFiles:
    """The files of one format, the main one first. One of the server's own has an account if its content is known."""

    format: str
    files: Sequence[_File]
    images: int = 0
    annotations: int = 0
    account: Account | None = None
    warnings: tuple[str, ...] = ()


def export_annotations(lease: BatchLease) -> Exported:
    """Write the files of every format, which hold exactly what was drawn, to the bucket, and record them.

    Raises ExportOutdated if people continued to work; ExportFailed if a format cannot be written.
    """
    batch = _read_batch(lease)
    failpoint("export_annotations.begun")
    # Here, long after the creation: a delayed creation has taken effect by now.
    delete_leftover_tasks(lease.ledger, lease.cvat, lease.batch_id)
    with lease.context.spool_folder("export") as folder:
        reading = _reader(lease, batch, folder).read()
        excluded = excluded_frames(lease, batch.members, reading.annotations)
        written = list(_write_formats(lease, batch, reading, excluded, folder))
        failpoint("export_annotations.file_written")
        with lease.transaction() as tx:
            _require_unchanged(tx, lease, reading.annotations, excluded)
            rows = [exports.add_unfinished(tx, _new_export(lease, batch, reading, one)) for one in written]
        for one in written:
            for file in one.files:
                lease.check()
                lease.context.store.write(lease.spec.export_bucket, file.key, file.path, file.media_type)
        failpoint("export_annotations.file_uploaded")
    with lease.transaction() as tx:
        _require_unchanged(tx, lease, reading.annotations, excluded)
        exported = _record(tx, lease, [exports.finish(tx, row.id) for row in rows], written, reading)
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
            exports.next_generation(tx, lease.batch_id),
            DatasetFacts(lease.spec, datasets.categories(tx, lease.spec.name)),
        )


def _uploaded_members(tx: Transaction, lease: BatchLease) -> list[Object]:
    return [member for member in batches.members(tx, lease.batch_id) if member.upload_name]


def _reader(lease: BatchLease, batch: _Batch, folder: Path) -> TaskReader:
    return TaskReader(
        lease.cvat, partial(_completed_task, lease, batch.task_id), folder,
        lease.context.settings.export_deadline_seconds, shown_sizes(batch.members), lease.check,
        tuple(server_name(name) for name in lease.spec.export.formats if is_of_server(name)),
    )  # fmt: skip


def _completed_task(lease: BatchLease, task_id: int) -> Task:
    task = lease.cvat.task(task_id)
    open_jobs = [job.id for job in task.jobs if job.status is not JobStatus.COMPLETED]
    if open_jobs:
        raise ExportOutdated(f"job {open_jobs[0]} is no longer completed", where=lease.where(task_id))
    return task


# --- the files --------------------------------------------------------------------------------------------------------


def _write_formats(
    lease: BatchLease, batch: _Batch, reading: TaskReading, excluded: Mapping[int, str], folder: Path
) -> Iterator[_FormatFiles]:
    """Yield the files of each format; the first one that the dataset names comes last, as the newest of the batch."""
    spec = lease.spec.export
    images = exported_images(batch.members, reading.annotations, excluded)
    selection = select(reading.annotations, reading.objects, images, excluded)
    if selection.faulty and spec.faulty_shapes is FaultyShapes.FAIL:
        first = selection.faulty[0]
        raise ExportFailed(
            f"{len(selection.faulty)} faulty shapes, {first.reason}: {_location(lease, reading, first.object)}",
            where=lease.where(batch.task_id),
            next_step=f"correct them in CVAT, then: labelyard retry {lease.batch_id}",
        )
    if spec.keep_original and reading.witness is not None:
        yield _of_server(lease, batch, ORIGINAL, reading, ServerFile(reading.witness))
    known = replace(batch.dataset, keys=expected_keys(lease, batch.members, reading.annotations))
    provenance = _provenance(lease, batch, reading)
    target = Target(provenance, _options(lease, spec), partial(_location, lease, reading), known)
    for name in reversed(spec.formats):
        if is_of_server(name):
            yield _of_server(lease, batch, name, reading, reading.server_files[server_name(name)])
        else:
            yield _write_format(lease, batch, name, selection, target, folder / name)


def _write_format(
    lease: BatchLease, batch: _Batch, name: str, selection: Selection, target: Target, folder: Path
) -> _FormatFiles:
    form, stem = FORMATS[name], "dataset"
    folder.mkdir()
    dataset = write_dataset(form, selection, target, folder, stem)
    files = dataset.files
    if form.archive_suffix:
        archive = folder.with_suffix(form.archive_suffix)
        write_archive(files, folder, archive)
        files = (archive,)
    hashes = {one: _sha256(one) for one in files}
    key = _key(lease, batch, hashes[files[0]]) + ("" if name == exports.DEFAULT_FORMAT else f".{name}")
    return _FormatFiles(
        name,
        [_file(one, key + (form.archive_suffix or one.name.removeprefix(stem)), hashes[one]) for one in files],
        dataset.images,
        dataset.annotations,
        dataset.account,
        dataset.warnings,
    )


def _of_server(lease: BatchLease, batch: _Batch, name: str, reading: TaskReading, file: ServerFile) -> _FormatFiles:
    """Return a file that CVAT wrote itself, with an account if its content is known."""
    sha256 = _sha256(file.path)
    suffix = ".zip" if name == ORIGINAL else f".{_slug(name)}.zip"
    key = _key(lease, batch, sha256, folder="original/" if name == ORIGINAL else "") + suffix
    files = [_file(file.path, key, sha256)]
    if file.content is None:
        return _FormatFiles(name, files)
    missing = [LeftOut(one, "CVAT's own file does not have it") for one in file.content.missing]
    account = account_of(file.content.exported, [(one, _location(lease, reading, one.object)) for one in missing])
    frames, warnings = len(reading.annotations.frames), tuple(map(str, account.left_out))
    return _FormatFiles(name, files, frames, len(file.content.exported), account, warnings)


def _key(lease: BatchLease, batch: _Batch, sha256: str, *, folder: str = "") -> str:
    """Return what the keys of a format's files begin with."""
    return f"{lease.spec.export.prefix}{folder}{lease.batch_id}-g{batch.generation}-{sha256[:12]}"


def _slug(name: str) -> str:
    """Return a format's name as a part of a key: "cvat:COCO 1.0" is "cvat-coco-1.0"."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")


def _file(path: Path, key: str, sha256: str) -> _File:
    media_type = "application/zip" if path.suffix == ".zip" else "application/json"
    return _File(path, key, sha256, media_type)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _provenance(lease: BatchLease, batch: _Batch, reading: TaskReading) -> Provenance:
    found = task_provenance(reading)
    return replace(
        found,
        jobs=with_reviews(lease, found.jobs),
        dataset=lease.spec.name,
        version=batch.version,
        batch=lease.batch_id,
        generation=batch.generation,
        preannotation=preannotation_document(lease, reading),
    )


def _options(lease: BatchLease, spec: ExportSection) -> FormatOptions:
    return FormatOptions(spec.rectangles_as_polygons, spec.groups, lease.cvat.quirks.boxes_lead_groups)


def _location(lease: BatchLease, reading: TaskReading, one: FrameObject) -> str:
    return location(reading.annotations, one, task_url(lease.cvat, reading.annotations.task.id))


# --- the ledger -------------------------------------------------------------------------------------------------------


def _require_unchanged(
    tx: Transaction, lease: BatchLease, annotations: AnnotationSet, excluded: Mapping[int, str]
) -> None:
    """Raise ExportOutdated if the batch or its objects changed while the files were written."""
    batch = batches.get(tx, lease.batch_id, lock=True)
    if batch.state is not BatchState.COMPLETED:
        raise ExportOutdated(f"the batch is {batch.state} again", where=lease.batch_id)
    if excluded_frames(lease, _uploaded_members(tx, lease), annotations) != excluded:
        what = "an object was quarantined, deleted or restored while the files were written"
        raise ExportOutdated(what, where=lease.batch_id)


def _new_export(lease: BatchLease, batch: _Batch, reading: TaskReading, written: _FormatFiles) -> Export:
    main, *others = written.files
    return Export(
        batch_id=lease.batch_id, format=written.format, generation=batch.generation, bucket=lease.spec.export_bucket,
        key=main.key, sha256=main.sha256, other_files={file.key: file.sha256 for file in others},
        source=reading.source, images=written.images, annotations=written.annotations,
        account=None if written.account is None else written.account.document(),
        task_updated=reading.annotations.task.work_updated, tries=reading.exports, current=False,
    )  # fmt: skip


def _record(
    tx: Transaction, lease: BatchLease, rows: Sequence[Export], written: Sequence[_FormatFiles], reading: TaskReading
) -> Exported:
    """Move the batch of finished exports to EXPORTED."""
    main, row = written[-1], rows[-1]
    left_out = sum(one.count for one in main.account.left_out) if main.account else 0
    exported = Exported(
        s3_url(row.bucket, row.key), row.generation, row.images, row.annotations, left_out, row.source, row.tries,
        {one.format: s3_url(one.bucket, one.key) for one in rows},
    )  # fmt: skip
    batch = batches.get(tx, lease.batch_id, lock=True)
    batches.move(tx, batch, BatchState.EXPORTED, str(exported))
    all_warnings = (warning for one in reversed(written) for warning in one.warnings)
    batch.warning = _warning(list(dict.fromkeys((*reading.warnings, *all_warnings))))
    return exported


def _warning(warnings: Sequence[str]) -> str | None:
    """Return the batch's warning in one line; all of them are in the file's `info.warnings`."""
    if not warnings:
        return None
    more = f" (and {len(warnings) - 1} more: info.warnings in the file)" if len(warnings) > 1 else ""
    return f"exported with warnings: {warnings[0]}{more}"
