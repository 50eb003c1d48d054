"""Put CVAT tasks that the ledger does not know into a dataset: a person's own, or all tasks of a lost ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.cvat_names import server_of
from labelyard.domain.frame_matching import match_frames
from labelyard.domain.objects import StoredObject
from labelyard.domain.progress import OnProgress, unseen
from labelyard.domain.quality import file_names
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.task_names import task_name_pattern
from labelyard.domain.tasks import Task
from labelyard.errors import CvatDisagrees, InputError, NotFound, StoreError
from labelyard.formats.coco.origin import Origin, read_origin
from labelyard.ledger import Transaction, batches, datasets, jobs, quality, reviews, tasks
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Object
from labelyard.ledger.tables import Task as TaskRow
from labelyard.operations.plan import our_tasks
from labelyard.pipeline.create_task import task_url

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AdoptedTask:
    """A task that is now in the ledger; `unknown` are frames that match no object of the dataset."""

    batch_id: str
    task_id: int
    frames: int
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class _Evidence:
    """What says which object is behind a frame."""

    listed: Sequence[StoredObject]
    """Every object in the dataset's sources."""
    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Batch -> frame name -> key, from the exports in the bucket."""


def adopt(context: Context, dataset: str, task_ids: Sequence[int]) -> list[AdoptedTask]:
    """Put tasks into a dataset, each as a batch of its own; their jobs and annotations stay as they are.

    Raises NotFound for an unknown dataset, CvatDisagrees for a task without frames or one that the ledger has already.
    """
    with context.ledger.read_only() as tx:
        spec = datasets.spec(tx, dataset)
    cvat, evidence = context.cvat(spec.cvat), _Evidence(_list_sources(context, spec))
    return [_adopt_task(context, spec, cvat.task(task_id), None, evidence) for task_id in task_ids]


def rebuild(context: Context, on_progress: OnProgress = unseen) -> list[AdoptedTask]:
    """Rebuild a lost ledger, for every dataset whose file was applied to it.

    Tasks are found by owner and name, the objects behind their frames by the exports in the bucket, by name and by
    hash; labels get the ids that those exports use. The next sweep registers objects that are in no task. `on_progress`
    counts the tasks of each dataset. Raises NotFound if no dataset was applied.
    """
    with context.ledger.read_only() as tx:
        specs = list(datasets.current(tx))
    if not specs:
        raise NotFound(
            "the ledger has no dataset",
            next_step="labelyard apply FILE for each dataset file, then: labelyard rebuild",
        )
    return [one for spec in specs for one in _rebuild_dataset(context, spec, on_progress)]


def _rebuild_dataset(context: Context, spec: DatasetSpec, on_progress: OnProgress) -> Iterator[AdoptedTask]:
    on_progress(f"{spec.name}: listing tasks and exports", 0, 1)
    latest = _latest_tasks(context.cvat(spec.cvat), spec)
    with context.ledger.read_only() as tx:
        used = {batch.id for batch in batches.in_states(tx, BatchState)}
        rows = [row for row, _ in tasks.of_dataset(tx, spec.name)]
    known = {row.server_id for row in rows if server_of(row.cvat) == server_of(spec.cvat)}
    origins = dict(_origins(context, spec))
    evidence = _Evidence(_list_sources(context, spec), _keys_by_batch(origins.values()))
    _recover_categories(context, spec, origins)
    # Objects that were registered before the rebuild may have opened a batch under the id of an old one.
    unknown = [(batch_id, task) for batch_id, task in sorted(latest.items()) if task.id not in known]
    for number, (batch_id, task) in enumerate(unknown):
        on_progress(f"{spec.name}: tasks", number, len(unknown))
        yield _adopt_task(context, spec, task, None if batch_id in used else batch_id, evidence)


def _latest_tasks(cvat: Cvat, spec: DatasetSpec) -> dict[str, Task]:
    """Return the last attempt of each batch that has frames: earlier ones were abandoned."""
    pattern, latest = task_name_pattern(spec.name), dict[str, Task]()
    for task in sorted(our_tasks(cvat, spec), key=lambda task: task.id, reverse=True):
        name = pattern.fullmatch(task.name)
        if task.size and name is not None:
            latest.setdefault(name[1], task)
    return latest


# --- one task ---------------------------------------------------------------------------------------------------------


def _adopt_task(
    context: Context, spec: DatasetSpec, task: Task, batch_id: str | None, evidence: _Evidence
) -> AdoptedTask:
    """Write the task as a batch, under its former id or as the dataset's next one."""
    if not task.size or not task.jobs:
        raise CvatDisagrees("it has no frames", where=f"task {task.id}", next_step="upload its images in CVAT first")
    cvat = context.cvat(spec.cvat)
    frames = file_names(cvat.frames(task.id))
    usernames = {user.id: user.username for user in cvat.users()}
    with context.ledger.transaction() as tx:
        _check_unknown(tx, spec, task)
        objects = match_frames(
            frames, _objects_in_no_task(tx, spec, evidence.listed), evidence.keys.get(batch_id or "", {})
        )
        batch = _add_batch(tx, spec, batch_id)
        _add_members(tx, batch, objects)
        batches.set_task_name(tx, batch)  # for another task, should this one be deleted
        _add_task_row(tx, batch, task, spec.cvat, task_url(cvat, task.id), len(frames))
        jobs.update_from_server(tx, batch, task.jobs, usernames)
        quality.update_from_server(tx, batch, task, usernames)
        if batch_id in evidence.keys:
            reviews.exclude_completed(tx, batch.id)  # it was exported, so what is completed there was accepted
        batches.move(tx, batch, BatchState.ASSIGNED, f"task {task.id} was adopted")
    unknown = tuple(frame for frame in frames if frame not in objects)
    _log.info("%s: task %d adopted, %d of its %d frames are objects", batch.id, task.id, len(objects), len(frames))
    return AdoptedTask(batch.id, task.id, len(frames), unknown)


def _check_unknown(tx: Transaction, spec: DatasetSpec, task: Task) -> None:
    live = TaskRow.server_id == task.id, TaskRow.state != TaskState.ABANDONED
    rows = tx.scalars(select(TaskRow).where(*live))
    known = next((row.batch_id for row in rows if server_of(row.cvat) == server_of(spec.cvat)), None)
    if known is not None:
        raise CvatDisagrees(
            f"it is the task of {known} already", where=f"task {task.id}", next_step=f"labelyard why {known}"
        )


def _objects_in_no_task(tx: Transaction, spec: DatasetSpec, listed: Sequence[StoredObject]) -> list[StoredObject]:
    uploaded = select(Object.bucket, Object.key, Object.etag).where(
        Object.dataset == spec.name, Object.upload_name.is_not(None)
    )
    in_tasks = {tuple(row) for row in tx.execute(uploaded)}
    return [obj for obj in listed if obj.identity not in in_tasks]


def _add_batch(tx: Transaction, spec: DatasetSpec, batch_id: str | None) -> Batch:
    dataset = datasets.lock(tx, spec.name)
    number = dataset.last_batch_number + 1 if batch_id is None else int(batch_id.rpartition("-")[2])
    batch = batches.add(tx, dataset, number, BatchState.READY)  # never open: the dataset may have an open one
    batch.cvat = spec.cvat
    batch.closed_at, batch.close_reason = batch.opened_at, "adopted"
    return batch


def _add_task_row(tx: Transaction, batch: Batch, task: Task, cvat: str, url: str, files: int) -> None:
    row = TaskRow(batch_id=batch.id, attempt=1, name=task.name, state=TaskState.VERIFIED, cvat=cvat)
    row.server_id, row.url, row.files, row.request_id = task.id, url, files, ""
    row.upload_begun_at = batch.closed_at
    tx.add(row)
    tx.flush()


def _add_members(tx: Transaction, batch: Batch, objects: Mapping[str, StoredObject]) -> None:
    for name, obj in objects.items():
        row = _object_row(tx, batch.dataset, obj)
        former = tx.get(Batch, row.batch_id) if row.batch_id else None
        if former is not None and former.state is BatchState.OPEN:
            former.objects, former.bytes = former.objects - 1, former.bytes - (row.size or 0)
        row.batch_id, row.upload_name, row.quarantine_reason, row.refused_at = batch.id, name, None, None
        tx.flush()
        record(tx, "registered", f"found as {name} in a task that was adopted", obj=row)
        batch.objects += 1
        batch.bytes += obj.size or 0


def _object_row(tx: Transaction, dataset: str, obj: StoredObject) -> Object:
    """Return the row of an object, added if there is none."""
    identity = {"dataset": dataset, "bucket": obj.bucket, "key": obj.key, "etag": obj.etag}
    row = tx.scalars(select(Object).filter_by(**identity)).one_or_none()
    if row is None:
        row = Object(**identity, size=obj.size, registered_at=tx.now, registered_via="adopted")
        tx.add(row)
    return row


# --- what is in the bucket --------------------------------------------------------------------------------------------


def _list_sources(context: Context, spec: DatasetSpec) -> list[StoredObject]:
    found = (obj for source in spec.sources for obj in context.store.list(source.bucket, source.prefix))
    return [obj for obj in found if spec.refusal(obj.bucket, obj.key) is None]


def _origins(context: Context, spec: DatasetSpec) -> Iterator[tuple[str, Origin]]:
    """Yield the address and the origin of each COCO file that was exported for the dataset."""
    for obj in context.store.list(spec.export_bucket, spec.export.prefix):
        origin = _read_origin(context, obj) if obj.key.endswith(".json") else None
        if origin is not None and origin.dataset == spec.name:
            yield obj.url, origin


def _read_origin(context: Context, obj: StoredObject) -> Origin | None:
    try:
        return read_origin(b"".join(context.store.read(obj)))
    except (StoreError, InputError) as error:
        _log.warning("%s is not an export: %s", obj.url, error)
        return None


def _keys_by_batch(origins: Iterable[Origin]) -> dict[str, dict[str, str]]:
    keys: dict[str, dict[str, str]] = {}
    for origin in origins:
        keys.setdefault(origin.batch, {}).update(origin.keys)
    return keys


def _recover_categories(context: Context, spec: DatasetSpec, origins: Mapping[str, Origin]) -> None:
    """Give the dataset's labels the ids that the exports use, and warn where two files differ."""
    with context.ledger.transaction() as tx:
        recovered = datasets.recover_categories(tx, spec, [dict(origin.categories) for origin in origins.values()])
    for url, origin in origins.items():
        others = [name for name, number in origin.categories.items() if recovered.get(name, number) != number]
        if others:
            _log.warning("%s: other files give %s another id: do not put them together", url, ", ".join(others))
