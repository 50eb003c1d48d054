"""Tasks that the ledger does not know: made by hand (`adopt`), or by a ledger that was lost (`rebuild`)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from labelyard.errors import CvatDisagrees, NotKnown, StoreError
from labelyard.ledger import batches, datasets, jobs, tasks
from labelyard.ledger.history import tell
from labelyard.ledger.tables import Batch, Object
from labelyard.ledger.tables import Task as TaskRow
from labelyard.model import StoredObject, Task
from labelyard.plan.lifecycle import BatchState, TaskState
from labelyard.plan.matching import match
from labelyard.plan.repair import owned_name
from labelyard.spec import DatasetSpec
from labelyard.steps.create_task import page_of
from labelyard.steps.repairing import our_tasks
from labelyard.workplace import Workplace

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TakenOver:
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


def adopt(place: Workplace, dataset: str, task_ids: Sequence[int]) -> list[TakenOver]:
    """Take tasks over that were made by hand, each as a batch of its own; their jobs and annotations stay as they are.

    Raises NotKnown for an unknown dataset, CvatDisagrees for a task without frames or one that is known already.
    """
    with place.ledger.read() as session:
        spec = datasets.spec(session, dataset)
    cvat, listed = place.cvat(spec.cvat), _listed(place, spec)
    return [_take(place, spec, cvat.task(task_id), None, listed, {}) for task_id in task_ids]


def rebuild(place: Workplace) -> list[TakenOver]:
    """Rebuild a lost ledger, for every dataset that was applied to it anew.

    Tasks are known by owner and form of name, frames by the exports in the bucket, by name and by hash; labels get the
    ids that those exports use. What is in no task lands with the next sweep. Raises NotKnown where no dataset was
    applied.
    """
    with place.ledger.read() as session:
        specs = [spec for spec, _ in datasets.current(session)]
    if not specs:
        raise NotKnown(
            "the ledger holds no dataset",
            next_step="labelyard apply FILE for each dataset file, then: labelyard rebuild",
        )
    return [one for spec in specs for one in _rebuild(place, spec)]


def _rebuild(place: Workplace, spec: DatasetSpec) -> list[TakenOver]:
    form, latest = owned_name(spec.name), dict[str, Task]()
    for task in sorted(our_tasks(place.cvat(spec.cvat), spec), key=lambda task: task.id, reverse=True):
        found = form.fullmatch(task.name)
        if task.size and found is not None:
            latest.setdefault(found[1], task)  # the last attempt is the one that was not given up
    with place.ledger.read() as session:
        taken = {batch.id for batch in batches.in_states(session, BatchState)}
        held = {row.server_id for row, _ in tasks.of_dataset(session, spec.name) if row.cvat == spec.cvat}
    listed, exports = _listed(place, spec), _exports(place, spec)
    _take_categories(place, spec, exports.categories)
    # What landed before the ledger was made again may have opened a batch under an old one's name.
    return [_take(place, spec, task, None if name in taken else name, listed, exports.keys.get(name, {}))
            for name, task in sorted(latest.items()) if task.id not in held]  # fmt: skip


def _take(
    place: Workplace,
    spec: DatasetSpec,
    task: Task,
    name: str | None,
    listed: Sequence[StoredObject],
    keys: Mapping[str, str],
) -> TakenOver:
    cvat = place.cvat(spec.cvat)
    if not task.size or not task.jobs:
        raise CvatDisagrees("it has no frames", where=f"task {task.id}", next_step="upload its images in CVAT first")
    frames = [frame.name for frame in cvat.frames(task.id)]
    people = {user.id: user.username for user in cvat.users()}
    with place.ledger.write() as session:
        _refuse_known(session, spec, task)
        free = _free(session, spec, listed)
        objects = match(frames, free, keys)
        batch = _batch(place, session, spec, name)
        _members(place, session, batch, objects)
        batches.name_task(session, batch)  # for another one, should this one be deleted
        row = TaskRow(batch_id=batch.id, attempt=1, name=task.name, state=TaskState.PROVED, cvat=spec.cvat)
        row.server_id, row.url, row.files, row.request_id = task.id, page_of(cvat, task.id), task.size, ""
        row.upload_begun_at = batch.closed_at
        session.add(row)
        session.flush()
        jobs.see(place.ledger, session, batch, task.jobs, people)
        batches.move(place.ledger, session, batch, BatchState.ASSIGNED, f"task {task.id} was taken over")
    unknown = tuple(frame for frame in frames if frame not in objects)
    _log.info("%s: task %d taken over, %d of its %d frames known", batch.id, task.id, len(objects), len(frames))
    return TakenOver(batch.id, task.id, len(frames), unknown)


def _batch(place: Workplace, session: Session, spec: DatasetSpec, name: str | None) -> Batch:
    """A closed batch; under its old name, or as the dataset's next."""
    dataset = batches.lock(session, spec.name)
    number = dataset.batches + 1 if name is None else int(name.rpartition("-")[2])
    batch = batches.add(place.ledger, session, dataset, number)
    batch.state, batch.cvat = BatchState.READY, spec.cvat
    batch.closed_at, batch.close_reason = batch.opened_at, "taken over"
    return batch


def _members(place: Workplace, session: Session, batch: Batch, objects: Mapping[str, StoredObject]) -> None:
    for name, obj in objects.items():
        row = session.scalars(
            select(Object).where(
                Object.dataset == batch.dataset,
                Object.bucket == obj.bucket,
                Object.key == obj.key,
                Object.etag == obj.etag,
            )
        ).one_or_none()
        if row is None:
            row = Object(dataset=batch.dataset, bucket=obj.bucket, key=obj.key, etag=obj.etag, size=obj.size)
            row.landed_at, row.via = place.ledger.now(session), "taken over"
            session.add(row)
        former = session.get(Batch, row.batch_id) if row.batch_id else None
        if former is not None and former.state is BatchState.OPEN:
            former.objects, former.bytes = former.objects - 1, former.bytes - (row.size or 0)
        row.batch_id, row.upload_name, row.refused = batch.id, name, None
        session.flush()
        tell(place.ledger, session, "landed", f"found as {name} in a task that was taken over", obj=row)
        batch.objects += 1
        batch.bytes += obj.size or 0


def _refuse_known(session: Session, spec: DatasetSpec, task: Task) -> None:
    known = session.scalars(
        select(TaskRow.batch_id).where(
            TaskRow.cvat == spec.cvat, TaskRow.server_id == task.id, TaskRow.state != TaskState.ABANDONED
        )
    ).first()
    if known is not None:
        raise CvatDisagrees(
            f"it is the task of {known} already", where=f"task {task.id}", next_step=f"labelyard why {known}"
        )


def _free(session: Session, spec: DatasetSpec, listed: Sequence[StoredObject]) -> list[StoredObject]:
    """What no other task holds."""
    held = session.execute(
        select(Object.bucket, Object.key, Object.etag).where(
            Object.dataset == spec.name, Object.upload_name.is_not(None)
        )
    )
    taken = {tuple(row) for row in held}
    return [obj for obj in listed if (obj.bucket, obj.key, obj.etag) not in taken]


def _listed(place: Workplace, spec: DatasetSpec) -> list[StoredObject]:
    found = (obj for source in spec.sources for obj in place.store.list(source.bucket, source.prefix))
    return [obj for obj in found if spec.refusal(obj.bucket, obj.key) is None]


def _exports(place: Workplace, spec: DatasetSpec) -> _Exports:
    told = _Exports()
    for obj in place.store.list(spec.export_bucket, spec.export.prefix):
        document = _document(place, obj)
        if document.get("info", {}).get("dataset") != spec.name:
            continue
        images: Iterable[Mapping[str, str]] = document.get("images", ())
        keys = {image["cvat_name"]: image["file_name"] for image in images if "cvat_name" in image}
        told.keys.setdefault(str(document["info"].get("batch", "")), {}).update(keys)
        told.categories[obj.url] = {one["name"]: one["id"] for one in document.get("categories", ())}
    return told


def _take_categories(place: Workplace, spec: DatasetSpec, files: Mapping[str, Mapping[str, int]]) -> None:
    with place.ledger.write() as session:
        numbers = datasets.take_categories(place.ledger, session, spec, files.values())
    for url, told in files.items():
        others = [name for name, number in told.items() if numbers.get(name, number) != number]
        if others:
            _log.warning("%s: other files give %s another id: do not put them together", url, ", ".join(others))


def _document(place: Workplace, obj: StoredObject) -> dict[str, Any]:
    try:
        found = json.loads(b"".join(place.store.read(obj)))
    except (StoreError, ValueError) as error:
        _log.warning("%s is not an export: %s", obj.url, error)
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("info"), dict) else {}
