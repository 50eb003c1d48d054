"""Compare ledger, bucket and CVAT, and fix the differences.

`survey` returns the findings, each with the Action that fixes it, and changes nothing; `apply` carries the actions out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.domain.objects import s3_url
from labelyard.domain.repair_plan import WITH_TASK, Action, Discrepancy, GivenName, RecordedTask, plan_repairs
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.task_names import task_name_pattern
from labelyard.domain.tasks import Task
from labelyard.errors import CvatDisagrees, CvatHidden, CvatNotFound, LabelyardError
from labelyard.ledger import batches, datasets, exports, jobs, tasks
from labelyard.ledger.tables import Batch, Export
from labelyard.ledger.tables import Task as TaskRow
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Recorded:
    """A task in the ledger with its batch, and the exports that must be in the bucket, one for each format."""

    row: TaskRow
    batch: Batch
    exports: Sequence[Export]


def survey(context: Context, dataset: str | None = None) -> list[Discrepancy]:
    """Return every difference, of one dataset or of all. Raises CvatErrors and StoreErrors."""
    with context.ledger.read_only() as tx:
        specs = [spec for spec in datasets.current(tx, retired=True) if dataset in (None, spec.name)]
    return [discrepancy for spec in specs for discrepancy in _survey_dataset(context, spec)]


def fixable(plan: Sequence[Discrepancy]) -> list[Discrepancy]:
    """Return the findings that `apply` can fix; the others need a person."""
    return [discrepancy for discrepancy in plan if discrepancy.action is not Action.REPORT]


def apply(context: Context, plan: Sequence[Discrepancy]) -> list[tuple[Discrepancy, LabelyardError]]:
    """Fix what can be fixed; return the findings whose fix failed, with the error. A failure stops only itself."""
    failed = []
    for discrepancy in fixable(plan):
        try:
            _FIXES[discrepancy.action](context, discrepancy)
            _log.info("%s: %s: %s", discrepancy.where, discrepancy.what, discrepancy.action)
        except LabelyardError as error:
            failed.append((discrepancy, error))
    return failed


def our_tasks(cvat: Cvat, spec: DatasetSpec) -> Iterator[Task]:
    """Return the tasks of our account that have a name which labelyard gives to tasks of this dataset."""
    me, pattern = cvat.whoami().id, task_name_pattern(spec.name)
    return (task for task in cvat.tasks(name=f"{spec.name}-") if task.owner == me and pattern.fullmatch(task.name))


# --- survey -----------------------------------------------------------------------------------------------------------


def _survey_dataset(context: Context, spec: DatasetSpec) -> list[Discrepancy]:
    recorded = _recorded_tasks(context, spec)
    names: dict[str, list[GivenName]] = {}
    with context.ledger.read_only() as tx:
        for server, state, name in tasks.names_of_dataset(tx, spec.name):
            names.setdefault(server, []).append(GivenName(name, state))
    servers = sorted({spec.cvat, *names, *(one.row.cvat for one in recorded)})
    return [
        discrepancy
        for server in servers
        for discrepancy in _survey_server(
            context, spec, server, [one for one in recorded if one.row.cvat == server], names.get(server, [])
        )
    ]


def _recorded_tasks(context: Context, spec: DatasetSpec) -> list[_Recorded]:
    with context.ledger.read_only() as tx:
        return [
            _Recorded(row, batch, exports.latest(tx, batch.id) if batch.state is BatchState.EXPORTED else ())
            for row, batch in tasks.of_dataset(tx, spec.name)
        ]


def _survey_server(
    context: Context, spec: DatasetSpec, server: str, recorded: Sequence[_Recorded], names: Sequence[GivenName]
) -> Iterator[Discrepancy]:
    known = [_known(context, one) for one in recorded if one.row.state is not TaskState.ABANDONED]
    cvat = context.cvat(server)
    present = {task.id: task for task in our_tasks(cvat, spec)}
    hidden = set()
    for one in known:
        if one.task_id in present or not one.has_task:
            continue
        try:  # the list by owner and name lacks tasks that were renamed, or created by another account
            present[one.task_id] = cvat.task(one.task_id)
        except CvatHidden as error:
            hidden.add(one.task_id)
            yield Discrepancy(f"{one.batch_id}, task {one.task_id}", error.what, Action.REPORT, one.batch_id)
        except CvatNotFound:
            continue
    yield from plan_repairs([one for one in known if one.task_id not in hidden], names, present.values())


def _known(context: Context, one: _Recorded) -> RecordedTask:
    files = {
        s3_url(row.bucket, key): context.store.exists(row.bucket, key)
        for row in one.exports
        for key in (row.key, *row.other_files)
    }
    return RecordedTask(one.batch.id, one.row.server_id or 0, one.row.name, one.batch.state, files)


# --- fixes ------------------------------------------------------------------------------------------------------------


def _delete_empty_task(context: Context, discrepancy: Discrepancy) -> None:
    cvat, task_id = _cvat_of(context, discrepancy), discrepancy.task_id or 0
    task = cvat.task(task_id)
    if not task.is_empty:
        raise CvatDisagrees("it has data by now", where=f"task {task_id}", next_step="labelyard repair")
    cvat.delete_task(task_id)
    with context.ledger.transaction() as tx:
        tasks.abandon_deleted(tx, discrepancy.batch_id or "", (task_id,))


def _recreate_task(context: Context, discrepancy: Discrepancy) -> None:
    with suppress(CvatNotFound):
        _cvat_of(context, discrepancy).task(discrepancy.task_id or 0)
        raise CvatDisagrees("it exists again", where=f"task {discrepancy.task_id}", next_step="labelyard repair")
    with acquire_batch(context, discrepancy.batch_id or "", WITH_TASK) as lease, lease.transaction() as tx:
        row = tasks.current(tx, lease.batch_id)
        if row is not None and row.server_id == discrepancy.task_id:
            tasks.recreate(tx, row.id, discrepancy.what)


def _export_again(context: Context, discrepancy: Discrepancy) -> None:
    with context.ledger.transaction() as tx:
        batches.export_again(tx, discrepancy.batch_id, discrepancy.what)


def _assign_free_jobs(context: Context, discrepancy: Discrepancy) -> None:
    with acquire_batch(context, discrepancy.batch_id or "", (BatchState.ASSIGNED,)) as lease:
        _clear_choices_of_free_jobs(lease)
        assign_jobs(lease)


def _clear_choices_of_free_jobs(lease: BatchLease) -> None:
    usernames = {user.id: user.username for user in lease.cvat.users()}
    with lease.ledger.read_only() as tx:
        _, task_id = tasks.require_current(tx, lease.batch_id)
    on_server = lease.cvat.jobs(task_id)
    with lease.transaction() as tx:
        jobs.update_from_server(tx, batches.get(tx, lease.batch_id, lock=True), on_server, usernames)
        jobs.clear_unassigned_choices(tx, lease.batch_id)


_FIXES: Mapping[Action, Callable[[Context, Discrepancy], None]] = {
    Action.DELETE_TASK: _delete_empty_task,
    Action.RECREATE_TASK: _recreate_task,
    Action.EXPORT_AGAIN: _export_again,
    Action.ASSIGN: _assign_free_jobs,
}


def _cvat_of(context: Context, discrepancy: Discrepancy) -> Cvat:
    with context.ledger.read_only() as tx:
        return context.cvat(batches.get(tx, discrepancy.batch_id or "").cvat or "default")
