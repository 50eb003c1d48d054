"""Where ledger, CVAT and bucket disagree about a dataset's tasks, and which action resolves it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from labelyard.domain.plan import Action, Difference, Sign, Topic
from labelyard.domain.quality import has_replicas
from labelyard.domain.reassignment import Leaver
from labelyard.domain.states import WITH_PEOPLE, WITHOUT_TASK, BatchState
from labelyard.domain.task_names import TaskName
from labelyard.domain.tasks import JobStatus, Task

WITH_TASK = (BatchState.CREATED, BatchState.UPLOADED, BatchState.READY, *WITH_PEOPLE)
"""States of a batch whose task must exist; later its task is only known."""


@dataclass(frozen=True)
class RecordedTask:
    """A batch in a state and the task that the ledger has recorded for it.

    `exports` maps the address of each file of the current exports to whether it exists; `task_updates` has the time at
    which the task had changed last when they were made. `labels` are those that the task was created with; it has none
    of its own in a project. `leavers` are the people who lost the role for which they have a job, by that job.
    `reviewed` are the jobs in review, which no annotator gets.
    """

    batch_id: str
    task_id: int
    task_name: str
    state: BatchState
    exports: Mapping[str, bool]
    task_updates: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()
    leavers: Mapping[int, Leaver] = field(default_factory=dict)
    reviewed: Collection[int] = ()
    assigns_quality_jobs: bool = False
    """Whether the dataset file says who gets its ground-truth job and its replicas."""

    @property
    def has_task(self) -> bool:
        """Whether its task must exist."""
        return self.state in WITH_TASK


@dataclass(frozen=True)
class GivenName:
    """A name that labelyard gave to a task, and the state of its batch."""

    name: TaskName
    state: BatchState


def plan_tasks(
    dataset: str, recorded: Collection[RecordedTask], names: Iterable[GivenName], tasks: Iterable[Task]
) -> Iterator[Difference]:
    """Compare the ledger's record of a dataset on one CVAT server with the tasks there.

    `names` are all that labelyard gave to tasks of this server. `tasks` are those with our owner and a name of our
    form, and those `recorded` that still exist, under any name and owner.
    """
    on_server = {task.id: task for task in tasks}
    by_name = {one.name.name: one for one in names}
    for one in recorded:
        if one.has_task:
            yield from _check_recorded(dataset, one, on_server.get(one.task_id))
    by_id = {one.task_id: one for one in recorded}
    for task in on_server.values():
        known, name = by_id.get(task.id), by_name.get(task.name)
        if known is None:
            yield from _check_unrecorded(dataset, task, name)
        elif known.state in WITHOUT_TASK and task.is_empty and task.name == known.task_name:
            what = f"is empty, and {known.batch_id} is {known.state}"
            yield _of_task(dataset, task, what, Action.DELETE_TASK, known.batch_id)
        elif known.state in WITHOUT_TASK and not task.size:
            what = f"has an upload, but no frames, and {known.batch_id} is {known.state}: delete it if it stays so"
            yield _of_task(dataset, task, what, Action.REPORT, known.batch_id)


def _check_recorded(dataset: str, one: RecordedTask, task: Task | None) -> Iterator[Difference]:
    if task is None:
        loses = "what its exports hold: the new task replaces them" if one.exports else ""
        yield _of_batch(dataset, one, "the task was deleted in CVAT", Action.RECREATE_TASK, loses=loses)
        return
    yield from _check_manual_changes(dataset, one, task)
    if one.state is BatchState.ASSIGNED:
        yield from _check_jobs(dataset, one, task)
    for address, exists in one.exports.items():
        if not exists:
            yield _of_batch(dataset, one, f"{address} is not in the bucket any more", Action.EXPORT_AGAIN)
    done = bool(task.jobs) and all(job.status is JobStatus.COMPLETED for job in task.jobs)
    if one.state is BatchState.EXPORTED and done and one.task_updates - {task.work_updated}:
        what = f"its export is out of date: the task was changed at {task.work_updated}"
        yield _of_batch(dataset, one, what, Action.EXPORT_AGAIN)


def _check_manual_changes(dataset: str, one: RecordedTask, task: Task) -> Iterator[Difference]:
    """Report what a person has changed in CVAT and labelyard leaves as it is."""
    if task.name != one.task_name:
        yield _of_batch(dataset, one, f"a person has renamed it to {task.name!r}", Action.REPORT)
    names = {label.name for label in task.labels}
    added, dropped = sorted(names - {*one.labels}), sorted({*one.labels} - names)
    if one.labels and (added or dropped):
        changed = ", ".join([*(f"+{name}" for name in added), *(f"-{name}" for name in dropped)])
        yield _of_batch(dataset, one, f"a person has changed its labels: {changed}", Action.REPORT)


def _check_jobs(dataset: str, one: RecordedTask, task: Task) -> Iterator[Difference]:
    to_assign = (*([] if has_replicas(task) else task.jobs), *(task.quality_jobs if one.assigns_quality_jobs else ()))
    unassigned = [str(job.id) for job in to_assign if job.assignee is None and job.id not in one.reviewed]
    if unassigned:
        yield _of_batch(dataset, one, f"job {', '.join(unassigned)} has no assignee", Action.ASSIGN)
    everything = (*task.jobs, *task.quality_jobs)
    unfinished = {job.id for job in everything if job.assignee is not None and job.status is not JobStatus.COMPLETED}
    for leaver in sorted({*one.leavers.values()}):
        held = tuple(job for job, who in one.leavers.items() if who == leaver and job in unfinished)
        if held:
            what = f"{leaver} and has job {', '.join(map(str, held))}"
            yield replace(_of_batch(dataset, one, what, Action.REASSIGN), jobs=held)


def _check_unrecorded(dataset: str, task: Task, given: GivenName | None) -> Iterator[Difference]:
    if given is None:
        what = "the ledger has no record of it: another ledger's, or one for `labelyard adopt`"
        yield _of_task(dataset, task, what, Action.REPORT)
        return
    name, action = given.name, Action.DELETE_TASK if task.is_empty else Action.REPORT
    if name.awaited and given.state is BatchState.FAILED:
        what = (
            f"was created for {name.batch_id}, which failed before that was recorded: labelyard retry {name.batch_id}"
        )
        yield _of_task(dataset, task, what, Action.REPORT, name.batch_id)
    elif name.awaited:
        return  # the next run of the batch adopts it, or deletes it
    elif name.kept is not None:
        what = f"a duplicate of task {name.kept}, {'empty' if task.is_empty else f'with {task.size} frames'}"
        yield _of_task(dataset, task, what, action, name.batch_id)
    else:
        what = f"was abandoned for {name.batch_id} and still exists"
        yield _of_task(dataset, task, what, action, name.batch_id)


_SIGNS = {Action.DELETE_TASK: Sign.REMOVE, Action.RECREATE_TASK: Sign.ADD, Action.REPORT: Sign.NOTE}


def _of_task(dataset: str, task: Task, what: str, action: Action, batch_id: str | None = None) -> Difference:
    where = f"task {task.id}, {task.name}"
    return Difference(dataset, Topic.TASKS, _SIGNS[action], where, what, action, batch_id, task.id)


def _of_batch(dataset: str, one: RecordedTask, what: str, action: Action, *, loses: str = "") -> Difference:
    topic = Topic.EXPORTS if action is Action.EXPORT_AGAIN else Topic.TASKS
    where = one.batch_id if topic is Topic.EXPORTS else f"{one.batch_id}, task {one.task_id}"
    sign = _SIGNS.get(action, Sign.CHANGE)
    return Difference(dataset, topic, sign, where, what, action, one.batch_id, one.task_id, loses=loses)
