"""Where ledger, CVAT and bucket disagree, and which action resolves it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from labelyard.domain.tasks import Task


class Action(StrEnum):
    """What `labelyard repair --apply` does about a discrepancy. REPORT leaves it to a person."""

    DELETE_TASK = "delete the task"
    RECREATE_TASK = "recreate the task"
    ASSIGN = "assign its jobs"
    EXPORT_AGAIN = "export it again"
    REPORT = "a person must decide"


@dataclass(frozen=True)
class Discrepancy:
    """One difference: where, what, and the action that resolves it; `task_id` is the task to delete or recreate."""

    where: str
    what: str
    action: Action
    batch_id: str | None = None
    task_id: int | None = None


@dataclass(frozen=True)
class RecordedTask:
    """A batch and the task that the ledger has recorded for it.

    `exports` maps the address of each current export to whether the file exists. Of a batch that has `ended` (failed,
    cancelled, archived) nothing is repaired; its task is only known.
    """

    batch_id: str
    task_id: int
    task_name: str
    assigned: bool
    exports: Mapping[str, bool]
    ended: bool = False


def task_name_pattern(dataset: str) -> re.Pattern[str]:
    """Return the pattern of a dataset's task names; its groups are the batch id and the attempt."""
    return re.compile(rf"({re.escape(dataset)}-\d{{5,}}) [0-9a-f]{{10}}(?: #(\d+))?")


def plan_repairs(
    recorded: Collection[RecordedTask], abandoned: Mapping[str, str], tasks: Iterable[Task]
) -> Iterator[Discrepancy]:
    """Compare the ledger's record of one CVAT server with our tasks there.

    `abandoned` maps the name of each abandoned task to its batch: a creation whose response was lost may take effect
    after the task of that name was abandoned, under an id that the ledger never learns. `tasks` are those with our
    owner and a name of our form, and those `recorded` that still exist, under any name and owner.
    """
    on_server = {task.id: task for task in tasks}
    by_name = {one.task_name: one for one in recorded}
    for one in recorded:
        if not one.ended:
            yield from _check_recorded(one, on_server.get(one.task_id))
    for task in on_server.values():
        if all(task.id != one.task_id for one in recorded):
            yield _check_unrecorded(task, by_name.get(task.name), abandoned.get(task.name))


def _check_recorded(one: RecordedTask, task: Task | None) -> Iterator[Discrepancy]:
    where = f"{one.batch_id}, task {one.task_id}"
    if task is None:
        yield Discrepancy(where, "the task was deleted in CVAT", Action.RECREATE_TASK, one.batch_id, one.task_id)
        return
    unassigned = [str(job.id) for job in task.jobs if job.assignee is None]
    if one.assigned and unassigned:
        yield Discrepancy(where, f"job {', '.join(unassigned)} has no assignee", Action.ASSIGN, one.batch_id)
    for address, exists in one.exports.items():
        if not exists:
            yield Discrepancy(
                one.batch_id, f"{address} is not in the bucket any more", Action.EXPORT_AGAIN, one.batch_id
            )


def _check_unrecorded(task: Task, original: RecordedTask | None, abandoned_for: str | None) -> Discrepancy:
    where = f"task {task.id}, {task.name}"
    empty = not task.size and not task.received
    action = Action.DELETE_TASK if empty else Action.REPORT
    if original is not None:
        what = f"a duplicate of task {original.task_id}, {'empty' if empty else f'with {task.size} frames'}"
        return Discrepancy(where, what, action, original.batch_id, task.id)
    if abandoned_for is not None:
        what = f"was abandoned for {abandoned_for} and still exists"
        return Discrepancy(where, what, action, abandoned_for, task.id)
    return Discrepancy(
        where, "the ledger has no record of it: another ledger's, or one for `labelyard adopt`", Action.REPORT
    )
