"""Tasks that the ledger does not know: made by hand (`adopt`), or by a ledger that was lost (`rebuild`)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.frame_matching import match_frames
from labelyard.domain.objects import StoredObject
from labelyard.domain.repair_plan import task_name_pattern
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import Task
from labelyard.errors import CvatDisagrees, NotFound, StoreError
from labelyard.ledger import Transaction, batches, datasets, jobs, tasks
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Object
from labelyard.ledger.tables import Task as TaskRow
from labelyard.operations.repair import our_tasks
from labelyard.pipeline.create_task import task_url

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AdoptedTask:
    """A task that is the ledger's now; `unknown` are frames that no object of the dataset could be said to be."""

    batch_id: str
    task_id: int
    frames: int
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class _Exports:
    """What a dataset's COCO files in the bucket tell: keys by frame name of each batch, ids of labels of each file."""

    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    categories: dict[str, dict[str, int]] = field(default_factory=dict)


def adopt(context: Context, dataset: str, task_ids: Sequence[int]) -> list[AdoptedTask]:
    """Take tasks over that were made by hand, each as a batch of its own; their jobs and annotations stay as they are.

    Raises NotKnown for an unknown dataset, CvatDisagrees for a task without frames or one that is known already.
    """
    with context.ledger.read_only() as tx:
        spec = datasets.spec(tx, dataset)
    cvat, listed = context.cvat(spec.cvat), _listed(context, spec)
    return [_take(context, spec, cvat.task(task_id), None, listed, {}) for task_id in task_ids]


def rebuild(context: Context) -> list[AdoptedTask]:
    """Rebuild a lost ledger, for every dataset that was applied to it anew.

    Tasks are known by owner and form of name, frames by the exports in the bucket, by name and by hash; labels get the
    ids that those exports use. What is in no task lands with the next sweep. Raises NotKnown where no dataset was
    applied.
    """
    with context.ledger.read_only() as tx:
        specs = [spec for spec, _ in datasets.current(tx)]
    if not specs:
        raise NotFound(
            "the ledger holds no dataset",
            next_step="labelyard apply FILE for each dataset file, then: labelyard rebuild",
        )
    return [one for spec in specs for one in _rebuild(context, spec)]


def _rebuild(context: Context, spec: DatasetSpec) -> list[AdoptedTask]:
    form, latest = task_name_pattern(spec.name), dict[str, Task]()
    for task in sorted(our_tasks(context.cvat(spec.cvat), spec), key=lambda task: task.id, reverse=True):
        found = form.fullmatch(task.name)
        if task.size and found is not None:
            latest.setdefault(found[1], task)  # the last attempt is the one that was not given up
    with context.ledger.read_only() as tx:
        taken = {batch.id for batch in batches.in_states(tx, BatchState)}
        held = {row.server_id for row, _ in tasks.of_dataset(tx, spec.name) if row.cvat == spec.cvat}
    listed, exports = _listed(context, spec), _exports(context, spec)
    _take_categories(context, spec, exports.categories)
    # What landed before the ledger was made again may have opened a batch under an old one's name.
    return [_take(context, spec, task, None if name in taken else name, listed, exports.keys.get(name, {}))
            for name, task in sorted(latest.items()) if task.id not in held]  # fmt: skip


def _take(
    context: Context,
    spec: DatasetSpec,
    task: Task,
    name: str | None,
    listed: Sequence[StoredObject],
    keys: Mapping[str, str],
) -> AdoptedTask:
    cvat = context.cvat(spec.cvat)
    if not task.size or not task.jobs:
        raise CvatDisagrees("it has no frames", where=f"task {task.id}", next_step="upload its images in CVAT first")
    frames = [frame.name for frame in cvat.frames(task.id)]
    people = {user.id: user.username for user in cvat.users()}
    with context.ledger.transaction() as tx:
        _refuse_known(tx, spec, task)
        free = _free(tx, spec, listed)
        objects = match_frames(frames, free, keys)
        batch = _batch(tx, spec, name)
        _members(tx, batch, objects)
        batches.set_task_name(tx, batch)  # for another one, should this one be deleted
        row = TaskRow(batch_id=batch.id, attempt=1, name=task.name, state=TaskState.VERIFIED, cvat=spec.cvat)
        row.server_id, row.url, row.files, row.request_id = task.id, task_url(cvat, task.id), task.size, ""
        row.upload_begun_at = batch.closed_at
        tx.add(row)
        tx.flush()
        jobs.update_from_server(tx, batch, task.jobs, people)
        batches.move(tx, batch, BatchState.ASSIGNED, f"task {task.id} was taken over")
    unknown = tuple(frame for frame in frames if frame not in objects)
    _log.info("%s: task %d taken over, %d of its %d frames known", batch.id, task.id, len(objects), len(frames))
    return AdoptedTask(batch.id, task.id, len(frames), unknown)


def _batch(tx: Transaction, spec: DatasetSpec, name: str | None) -> Batch:
    """A closed batch; under its old name, or as the dataset's next."""
    dataset = batches.lock_dataset(tx, spec.name)
    number = dataset.last_batch_number + 1 if name is None else int(name.rpartition("-")[2])
    batch = batches.add(tx, dataset, number, BatchState.READY)  # never open: the dataset may have an open one
    batch.cvat = spec.cvat
    batch.closed_at, batch.close_reason = batch.opened_at, "taken over"
    return batch


def _members(tx: Transaction, batch: Batch, objects: Mapping[str, StoredObject]) -> None:
    for name, obj in objects.items():
        row = tx.scalars(
            select(Object).where(
                Object.dataset == batch.dataset,
                Object.bucket == obj.bucket,
                Object.key == obj.key,
                Object.etag == obj.etag,
            )
        ).one_or_none()
        if row is None:
            row = Object(dataset=batch.dataset, bucket=obj.bucket, key=obj.key, etag=obj.etag, size=obj.size)
            row.registered_at, row.registered_via = tx.now, "taken over"
            tx.add(row)
        former = tx.get(Batch, row.batch_id) if row.batch_id else None
        if former is not None and former.state is BatchState.OPEN:
            former.objects, former.bytes = former.objects - 1, former.bytes - (row.size or 0)
        row.batch_id, row.upload_name, row.quarantine_reason = batch.id, name, None
        tx.flush()
        record(tx, "registered", f"found as {name} in a task that was taken over", obj=row)
        batch.objects += 1
        batch.bytes += obj.size or 0


def _refuse_known(tx: Transaction, spec: DatasetSpec, task: Task) -> None:
    known = tx.scalars(
        select(TaskRow.batch_id).where(
            TaskRow.cvat == spec.cvat, TaskRow.server_id == task.id, TaskRow.state != TaskState.ABANDONED
        )
    ).first()
    if known is not None:
        raise CvatDisagrees(
            f"it is the task of {known} already", where=f"task {task.id}", next_step=f"labelyard why {known}"
        )


def _free(tx: Transaction, spec: DatasetSpec, listed: Sequence[StoredObject]) -> list[StoredObject]:
    """What no other task holds."""
    held = tx.execute(
        select(Object.bucket, Object.key, Object.etag).where(
            Object.dataset == spec.name, Object.upload_name.is_not(None)
        )
    )
    taken = {tuple(row) for row in held}
    return [obj for obj in listed if (obj.bucket, obj.key, obj.etag) not in taken]


def _listed(context: Context, spec: DatasetSpec) -> list[StoredObject]:
    found = (obj for source in spec.sources for obj in context.store.list(source.bucket, source.prefix))
    return [obj for obj in found if spec.refusal(obj.bucket, obj.key) is None]


def _exports(context: Context, spec: DatasetSpec) -> _Exports:
    told = _Exports()
    for obj in context.store.list(spec.export_bucket, spec.export.prefix):
        document = _document(context, obj)
        if document.get("info", {}).get("dataset") != spec.name:
            continue
        images: Iterable[Mapping[str, str]] = document.get("images", ())
        keys = {image["cvat_name"]: image["file_name"] for image in images if "cvat_name" in image}
        told.keys.setdefault(str(document["info"].get("batch", "")), {}).update(keys)
        told.categories[obj.url] = {one["name"]: one["id"] for one in document.get("categories", ())}
    return told


def _take_categories(context: Context, spec: DatasetSpec, files: Mapping[str, Mapping[str, int]]) -> None:
    with context.ledger.transaction() as tx:
        numbers = datasets.recover_categories(tx, spec, files.values())
    for url, told in files.items():
        others = [name for name, number in told.items() if numbers.get(name, number) != number]
        if others:
            _log.warning("%s: other files give %s another id: do not put them together", url, ", ".join(others))


def _document(context: Context, obj: StoredObject) -> dict[str, Any]:
    try:
        found = json.loads(b"".join(context.store.read(obj)))
    except (StoreError, ValueError) as error:
        _log.warning("%s is not an export: %s", obj.url, error)
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("info"), dict) else {}
