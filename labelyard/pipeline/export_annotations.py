"""export_annotations: the task's annotations as a COCO file in the bucket, complete up to the last edit.

CVAT's own export may miss what was saved while it was written, and keeps missing it. So it is compared with what the
annotations say; where it differs, it is drained, a real but neutral write makes the next one fresh, and after three
that differ or cannot be had the file is written from the annotations themselves, and says so.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labelyard.annotations.comparison import compare
from labelyard.annotations.content import CocoContent
from labelyard.annotations.expected import Expected, expected
from labelyard.config import Deletions
from labelyard.domain.annotations import Annotations, Change, Tag
from labelyard.domain.objects import s3_url
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus, Task
from labelyard.errors import CvatDisagrees, ExportFailed
from labelyard.failpoints import failpoint
from labelyard.formats.coco.read import read_export
from labelyard.formats.coco.write import Original, Provenance, Source, Written, write_dataset
from labelyard.ledger import Transaction, batches, datasets, exports, tasks
from labelyard.ledger.tables import Export, Object
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.create_task import remove_duplicates

_log = logging.getLogger(__name__)
_TRIES = 3
_MARK = 0x6C616279
"""The group of the tag that makes an export fresh: no person's tool counts so far, so a tag left behind is known."""
_SOURCES = {Source.EXPORT: "export", Source.API: "annotations"}


@dataclass(frozen=True)
class Exported:
    """The file in the bucket; `tries` is how many exports CVAT had to make. `url` is "" where a job was reopened."""

    url: str
    generation: int
    images: int
    annotations: int
    source: str
    tries: int


class ReopenedMeanwhile(CvatDisagrees):
    """A job was opened again, or annotations or objects changed, while the export ran: another one follows."""

    retry = True


@dataclass(frozen=True)
class _Taken:
    """What one round brought: the content to write, where it is from, and the task as it was then."""

    content: CocoContent
    source: Source
    task: Task
    tries: int


def export_annotations(lease: BatchLease) -> Exported:
    """Store a COCO file that holds exactly what the task's annotations say.

    Raises ReopenedMeanwhile where people went on working; ExportFailed where annotations cannot be written as COCO.
    """
    with lease.ledger.read_only() as tx:
        _, task_id = tasks.require_current(tx, lease.batch_id)
        members = _uploaded(tx, lease)
        version, numbers = batches.get(tx, lease.batch_id).version, datasets.categories(tx, lease.spec.name)
        generation = exports.next_generation(tx, lease.batch_id)
    failpoint("export_annotations.begun")
    remove_duplicates(lease)
    with _folder(lease) as folder:
        taken = _take(lease, task_id, folder / "export.zip")
        left_out = _left_out(lease, members, taken.content)
        content = taken.content.without(left_out)
        people = tuple({job.assignee for job in taken.task.jobs if job.assignee is not None})
        said = Provenance(lease.spec.name, version, lease.batch_id, task_id, generation, taken.source, people)
        written = write_dataset(content, _originals(members, taken.content), numbers, said, folder / "coco.json")
        failpoint("export_annotations.taken")
        return _store(lease, taken, written, generation, left_out)


def _uploaded(tx: Transaction, lease: BatchLease) -> list[Object]:
    return [member for member in batches.members(tx, lease.batch_id) if member.upload_name]


def _originals(members: Sequence[Object], content: CocoContent) -> dict[str, Original]:
    """The file behind each frame that is an object of ours."""
    frames = {image.name: frame for frame, image in enumerate(content.images)}
    ours = {member.upload_name or "": member for member in members}
    return {
        name: Original(ours[name].stored, frames[name], ours[name].exif_orientation) for name in ours.keys() & frames
    }


def _left_out(lease: BatchLease, members: Sequence[Object], content: CocoContent) -> set[str]:
    """Names of what was set aside after its upload, or deleted where that counts, or is no object of ours at all."""
    drop = lease.spec.deletions is Deletions.DROP
    kept = {m.upload_name for m in members if m.quarantine_reason is None and not (drop and m.deleted_at is not None)}
    strangers = {image.name for image in content.images} - {m.upload_name for m in members}
    for name in strangers:  # in a task that was made by hand
        _log.warning("%s: %s is left out: it is not an object of the dataset", lease.batch_id, name)
    return {image.name for image in content.images} - kept


def _take(lease: BatchLease, task_id: int, to: Path) -> _Taken:
    """Content that agrees with the annotations, and the task that did not change meanwhile."""
    _take_back_left_tags(lease, task_id)
    for attempt in range(1, _TRIES + 1):
        task = _complete(lease, task_id)
        want = _wanted(lease, task)
        try:
            lease.cvat.export(task_id, to, deadline=lease.context.settings.export_deadline_seconds)
            found = read_export(to)
        except ExportFailed as error:  # there are tasks on which CVAT's exporter always crashes
            why = f"cannot be had: {error}"
        else:
            difference = compare(want, found)
            if not difference and _complete(lease, task_id).updated == task.updated:
                return _Taken(found, Source.EXPORT, task, attempt)
            why = f"differs from its annotations: {difference or 'they changed'}"
        _log.warning("%s: export %d of task %d %s", lease.batch_id, attempt, task_id, why)
        _freshen(lease, task)
    _log.warning("%s: writing task %d from its annotations, for want of an export", lease.batch_id, task_id)
    task = _complete(lease, task_id)
    want = _wanted(lease, task)
    if _complete(lease, task_id).updated != task.updated:
        raise ReopenedMeanwhile("annotations change while they are exported", where=f"{lease.batch_id}, task {task_id}")
    return _Taken(want.content, Source.API, task, _TRIES)


def _complete(lease: BatchLease, task_id: int) -> Task:
    task = lease.cvat.task(task_id)
    opened = [job.id for job in task.jobs if job.status is not JobStatus.COMPLETED]
    if opened:
        raise ReopenedMeanwhile(f"job {opened[0]} is not completed any more", where=f"{lease.batch_id}, task {task_id}")
    return task


def _wanted(lease: BatchLease, task: Task) -> Expected:
    want = expected(lease.cvat.task_annotations(task.id), lease.cvat.frames(task.id), task.labels)
    if want.findings:
        raise ExportFailed(
            f"{want.findings[0]}" + (f" (and {len(want.findings) - 1} more)" if len(want.findings) > 1 else ""),
            where=f"{lease.batch_id}, task {task.id}",
            next_step=f"correct it in {lease.cvat.url}/tasks/{task.id}, then: labelyard retry {lease.batch_id}",
        )
    return want


def _freshen(lease: BatchLease, task: Task) -> None:
    """Make CVAT forget its cached file: only a real write does, and this one leaves nothing behind."""
    lease.check()
    job, label = task.jobs[0], task.labels[0]
    tag = Annotations(tags=(Tag(frame=job.start_frame, label_id=label.id, group=_MARK),))
    created = lease.cvat.change_annotations(job.id, Change.CREATE, tag)
    failpoint("export_annotations.touched")
    lease.cvat.change_annotations(job.id, Change.DELETE, created)
    failpoint("export_annotations.freshened")


def _take_back_left_tags(lease: BatchLease, task_id: int) -> None:
    """Remove what a run that died in the middle of `_freshen` has left."""
    job = lease.cvat.jobs(task_id)[0]
    left = tuple(tag for tag in lease.cvat.annotations(job.id).tags if tag.group == _MARK)
    if left:
        lease.check()
        lease.cvat.change_annotations(job.id, Change.DELETE, Annotations(tags=left))


def _store(lease: BatchLease, taken: _Taken, written: Written, generation: int, left_out: set[str]) -> Exported:
    spec, batch_id = lease.spec, lease.batch_id
    key = f"{spec.export.prefix}{batch_id}-g{generation}-{written.sha256[:12]}.json"
    address = s3_url(spec.export_bucket, key)
    lease.check()
    lease.context.store.write(spec.export_bucket, key, written.path, "application/json")
    failpoint("export_annotations.stored")
    with lease.transaction() as tx:
        batch = batches.get(tx, batch_id, lock=True)
        if batch.state is not BatchState.COMPLETED:
            raise ReopenedMeanwhile(f"the batch is {batch.state} again", where=batch_id)
        if _left_out(lease, _uploaded(tx, lease), taken.content) != left_out:
            raise ReopenedMeanwhile("an object was set aside, deleted or restored while it was written", where=batch_id)
        now = tx.now
        exports.add(tx, Export(
            batch_id=batch_id, generation=generation, bucket=spec.export_bucket, key=key, sha256=written.sha256,
            source=_SOURCES[taken.source], images=written.images, annotations=written.annotations,
            task_updated=taken.task.updated, tries=taken.tries, exported_at=now, current=True,
        ))  # fmt: skip
        reason = f"generation {generation}: {written.images} images, {written.annotations} annotations in {address}"
        batches.move(tx, batch, BatchState.EXPORTED, reason)
        batch.warning = _warned(written)
    failpoint("export_annotations.recorded")
    _log.info("%s: %s", batch_id, reason)
    return Exported(
        address,
        generation,
        written.images,
        written.annotations,
        _SOURCES[taken.source],
        taken.tries,
    )


def _warned(written: Written) -> str | None:
    """What whoever reads the file may trip over, in a line; the file's `info.warnings` holds the rest."""
    if not written.findings:
        return None
    more = f" (and {len(written.findings) - 1} more: info.warnings in the file)" if len(written.findings) > 1 else ""
    return f"exported, but look: {written.findings[0]}{more}"


@contextmanager
def _folder(lease: BatchLease) -> Iterator[Path]:
    lease.context.settings.spool.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="export-", dir=lease.context.settings.spool) as folder:
        yield Path(folder)
