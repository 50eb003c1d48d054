"""repair: ledger, bucket and CVAT side by side, and what mends their differences."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.domain.objects import s3_url
from labelyard.domain.repair_plan import Action, Discrepancy, RecordedTask, plan_repairs, task_name_pattern
from labelyard.domain.states import WITH_PEOPLE, BatchState, TaskState
from labelyard.domain.tasks import Task
from labelyard.errors import CvatDisagrees, CvatHidden, CvatNotFound, LabelyardError
from labelyard.ledger import Transaction, batches, datasets, exports, jobs, tasks
from labelyard.ledger.tables import Batch, Export
from labelyard.ledger.tables import Task as TaskRow
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs

_log = logging.getLogger(__name__)
_MADE = (BatchState.CREATED, BatchState.UPLOADED, BatchState.READY, *WITH_PEOPLE)


def survey(context: Context, dataset: str | None = None) -> list[Discrepancy]:
    """Every difference, of one dataset or of all; changes nothing. Raises CvatErrors and StoreErrors."""
    with context.ledger.read_only() as tx:
        specs = [spec for spec, _ in datasets.current(tx) if dataset in (None, spec.name)]
    return [finding for spec in specs for finding in _survey(context, spec)]


def apply(context: Context, plan: Sequence[Discrepancy]) -> list[tuple[Discrepancy, LabelyardError]]:
    """Mend what can be mended by itself; returns what could not be mended now, and why. One stops only itself."""
    left = []
    for finding in plan:
        try:
            _mend(context, finding)
            _log.info("%s: %s: %s", finding.where, finding.what, finding.action)
        except LabelyardError as error:
            left.append((finding, error))
    return left


def our_tasks(cvat: Cvat, spec: DatasetSpec) -> Iterator[Task]:
    """The tasks of our account whose names are of the form that labelyard gives a dataset's."""
    me, form = cvat.whoami().id, task_name_pattern(spec.name)
    return (task for task in cvat.tasks(name=f"{spec.name}-") if task.owner == me and form.fullmatch(task.name))


def _survey(context: Context, spec: DatasetSpec) -> list[Discrepancy]:
    with context.ledger.read_only() as tx:
        rows = [_seen(tx, row, batch) for row, batch in tasks.of_dataset(tx, spec.name)]
    servers = sorted({spec.cvat, *(seen.row.cvat for seen in rows)})
    return [finding for name in servers for finding in _compare(context, spec, name, rows)]


@dataclass(frozen=True)
class _Seen:
    """What the ledger says of a task: its row, its batch, and the export that has to be in the bucket."""

    row: TaskRow
    batch: Batch
    export: Export | None


def _seen(tx: Transaction, row: TaskRow, batch: Batch) -> _Seen:
    return _Seen(row, batch, exports.current(tx, batch.id) if batch.state is BatchState.EXPORTED else None)


def _compare(context: Context, spec: DatasetSpec, server: str, rows: Sequence[_Seen]) -> Iterator[Discrepancy]:
    here = [seen for seen in rows if seen.row.cvat == server]
    given_up = {s.row.server_id or 0: s.batch.id for s in here if s.row.state is TaskState.ABANDONED}
    known = [_known(context, seen) for seen in here if seen.row.state is not TaskState.ABANDONED]
    cvat = context.cvat(server)
    there = {task.id: task for task in our_tasks(cvat, spec)}
    hidden = set()
    for one in known:
        if one.task_id not in there and not one.ended:
            try:  # a list by owner and name lacks what was renamed, or made by another account
                there[one.task_id] = cvat.task(one.task_id)
            except CvatHidden as error:
                hidden.add(one.task_id)
                yield Discrepancy(f"{one.batch_id}, task {one.task_id}", error.what, Action.REPORT, one.batch_id)
            except CvatNotFound:
                continue
    yield from plan_repairs([one for one in known if one.task_id not in hidden], given_up, there.values())


def _known(context: Context, seen: _Seen) -> RecordedTask:
    row, batch, export = seen.row, seen.batch, seen.export
    there = {s3_url(export.bucket, export.key): context.store.exists(export.bucket, export.key)} if export else {}
    assigned, ended = batch.state is BatchState.ASSIGNED, batch.state not in _MADE
    return RecordedTask(batch.id, row.server_id or 0, row.name, assigned, there, ended)


def _mend(context: Context, finding: Discrepancy) -> None:
    batch_id, task_id = finding.batch_id or "", finding.task_id or 0
    if finding.action is Action.DELETE_TASK:
        _delete_empty(context.cvat(_cvat_of(context, batch_id)), task_id)
    elif finding.action is Action.RECREATE_TASK:
        _refuse_seen(context.cvat(_cvat_of(context, batch_id)), task_id)
        with acquire_batch(context, batch_id, _MADE) as lease:
            _make_anew(lease, task_id, finding.what)
    elif finding.action is Action.EXPORT_AGAIN:
        with context.ledger.transaction() as tx:
            batches.export_again(tx, batch_id, finding.what)
    elif finding.action is Action.ASSIGN:
        with acquire_batch(context, batch_id, (BatchState.ASSIGNED,)) as lease:
            _assign_free(lease)


def _delete_empty(cvat: Cvat, task_id: int) -> None:
    task = cvat.task(task_id)
    if task.size or task.received:
        raise CvatDisagrees("it was filled meanwhile", where=f"task {task_id}", next_step="labelyard repair")
    cvat.delete_task(task_id)


def _refuse_seen(cvat: Cvat, task_id: int) -> None:
    with suppress(CvatNotFound):
        cvat.task(task_id)
        raise CvatDisagrees("it is there again", where=f"task {task_id}", next_step="labelyard repair")


def _make_anew(lease: BatchLease, task_id: int, reason: str) -> None:
    with lease.transaction() as tx:
        row = tasks.current(tx, lease.batch_id)
        if row is not None and row.server_id == task_id:
            tasks.recreate(tx, row.id, reason)


def _assign_free(lease: BatchLease) -> None:
    names = {user.id: user.username for user in lease.cvat.users()}
    with lease.ledger.read_only() as tx:
        _, task_id = tasks.require_current(tx, lease.batch_id)
    seen = lease.cvat.jobs(task_id)
    with lease.transaction() as tx:
        jobs.update_from_server(tx, batches.get(tx, lease.batch_id, lock=True), seen, names)
        jobs.clear_unassigned_choices(tx, lease.batch_id)
    assign_jobs(lease)


def _cvat_of(context: Context, batch_id: str) -> str:
    with context.ledger.read_only() as tx:
        return batches.get(tx, batch_id).cvat or "default"
