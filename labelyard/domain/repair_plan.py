"""Where ledger, CVAT and bucket disagree, and which action resolves it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from labelyard.domain.states import WITH_PEOPLE, WITHOUT_TASK, BatchState
from labelyard.domain.task_names import TaskName
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


WITH_TASK = (BatchState.CREATED, BatchState.UPLOADED, BatchState.READY, *WITH_PEOPLE)
"""States of a batch whose task must exist; later nothing is repaired, its task is only known."""


@dataclass(frozen=True)
class RecordedTask:
    """A batch in a state and the task that the ledger has recorded for it.

    `exports` maps the address of each current export to whether the file exists.
    """

    batch_id: str
    task_id: int
    task_name: str
    state: BatchState
    exports: Mapping[str, bool]

    @property
    def has_task(self) -> bool:
        """Whether its task must exist."""
        return self.state in WITH_TASK


@dataclass(frozen=True)
class GivenName:
    """A name that labelyard gave to a task, and the state of its batch."""

    name: TaskName
    state: BatchState


def plan_repairs(
    recorded: Collection[RecordedTask], names: Iterable[GivenName], tasks: Iterable[Task]
) -> Iterator[Discrepancy]:
    """Compare the ledger's record of one CVAT server with our tasks there.

    `names` are all that labelyard gave to tasks of this server. `tasks` are those with our owner and a name of our
    form, and those `recorded` that still exist, under any name and owner.
    """
    on_server = {task.id: task for task in tasks}
    by_name = {one.name.name: one for one in names}
    for one in recorded:
        if one.has_task:
            yield from _check_recorded(one, on_server.get(one.task_id))
    by_id = {one.task_id: one for one in recorded}
    for task in on_server.values():
        known, name = by_id.get(task.id), by_name.get(task.name)
        if known is None:
            yield from _check_unrecorded(task, name)
        elif known.state in WITHOUT_TASK and task.is_empty and task.name == known.task_name:
            what = f"is empty, and {known.batch_id} is {known.state}"
            yield Discrepancy(_where(task), what, Action.DELETE_TASK, known.batch_id, task.id)
        elif known.state in WITHOUT_TASK and not task.size:
            what = f"has an upload, but no frames, and {known.batch_id} is {known.state}: delete it if it stays so"
            yield Discrepancy(_where(task), what, Action.REPORT, known.batch_id, task.id)


def _check_recorded(one: RecordedTask, task: Task | None) -> Iterator[Discrepancy]:
    where = f"{one.batch_id}, task {one.task_id}"
    if task is None:
        yield Discrepancy(where, "the task was deleted in CVAT", Action.RECREATE_TASK, one.batch_id, one.task_id)
        return
    unassigned = [str(job.id) for job in task.jobs if job.assignee is None]
    if one.state is BatchState.ASSIGNED and unassigned:
        yield Discrepancy(where, f"job {', '.join(unassigned)} has no assignee", Action.ASSIGN, one.batch_id)
    for address, exists in one.exports.items():
        if not exists:
            yield Discrepancy(
                one.batch_id, f"{address} is not in the bucket any more", Action.EXPORT_AGAIN, one.batch_id
            )


def _check_unrecorded(task: Task, given: GivenName | None) -> Iterator[Discrepancy]:
    if given is None:
        what = "the ledger has no record of it: another ledger's, or one for `labelyard adopt`"
        yield Discrepancy(_where(task), what, Action.REPORT)
        return
    name, action = given.name, Action.DELETE_TASK if task.is_empty else Action.REPORT
    if name.awaited and given.state is BatchState.FAILED:
        what = (
            f"was created for {name.batch_id}, which failed before that was recorded: labelyard retry {name.batch_id}"
        )
        yield Discrepancy(_where(task), what, Action.REPORT, name.batch_id, task.id)
    elif name.awaited:
        return  # the next run of the batch adopts it, or deletes it
    elif name.kept is not None:
        what = f"a duplicate of task {name.kept}, {'empty' if task.is_empty else f'with {task.size} frames'}"
        yield Discrepancy(_where(task), what, action, name.batch_id, task.id)
    else:
        what = f"was abandoned for {name.batch_id} and still exists"
        yield Discrepancy(_where(task), what, action, name.batch_id, task.id)


def _where(task: Task) -> str:
    return f"task {task.id}, {task.name}"
