"""Where ledger, CVAT and bucket disagree, and what mends it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from labelyard.domain.tasks import Task


class Action(StrEnum):
    """What `labelyard repair --apply` does about a finding; TELL is left to a person."""

    DELETE_TASK = "delete the task"
    RECREATE_TASK = "make the task anew"
    ASSIGN = "assign its jobs"
    EXPORT_AGAIN = "export it again"
    REPORT = "look at it"


@dataclass(frozen=True)
class Finding:
    """One disagreement: where, what, and what mends it; `task_id` where a task is to be deleted or made anew."""

    where: str
    what: str
    mend: Action
    batch_id: str | None = None
    task_id: int | None = None


@dataclass(frozen=True)
class Known:
    """A batch whose task the ledger says exists; `exports` are addresses of current ones, true where the file is.

    Where work on it has `ended` (failed, abandoned, released) its task is known, and nothing of it is mended.
    """

    batch_id: str
    task_id: int
    task_name: str
    assigned: bool
    exports: Mapping[str, bool]
    ended: bool = False


def owned_name(dataset: str) -> re.Pattern[str]:
    """What the names of a dataset's tasks look like; the groups are the batch and the attempt."""
    return re.compile(rf"({re.escape(dataset)}-\d{{5,}}) [0-9a-f]{{10}}(?: #(\d+))?")


def findings(known: Collection[Known], given_up: Mapping[int, str], tasks: Iterable[Task]) -> Iterator[Finding]:
    """Compare what the ledger knows of one server with our tasks there.

    `given_up` are tasks that the ledger abandoned: server id -> batch. `tasks` are ours by owner and form of name, and
    those of `known` that are there, whatever their names and owners are by now.
    """
    there = {task.id: task for task in tasks}
    names = {one.task_name: one for one in known}
    for one in known:
        if not one.ended:
            yield from _of_batch(one, there.get(one.task_id))
    for task in there.values():
        if all(task.id != one.task_id for one in known):
            yield _of_stranger(task, names.get(task.name), given_up.get(task.id))


def _of_batch(known: Known, task: Task | None) -> Iterator[Finding]:
    where = f"{known.batch_id}, task {known.task_id}"
    if task is None:
        yield Finding(where, "the task was deleted in CVAT", Action.RECREATE_TASK, known.batch_id, known.task_id)
        return
    free = [str(job.id) for job in task.jobs if job.assignee is None]
    if known.assigned and free:
        yield Finding(where, f"job {', '.join(free)} has no assignee", Action.ASSIGN, known.batch_id)
    for address, exists in known.exports.items():
        if not exists:
            yield Finding(
                known.batch_id, f"{address} is not in the bucket any more", Action.EXPORT_AGAIN, known.batch_id
            )


def _of_stranger(task: Task, twin: Known | None, given_up: str | None) -> Finding:
    where = f"task {task.id}, {task.name}"
    empty = not task.size and not task.received
    if twin is not None:
        what = f"a duplicate of task {twin.task_id}, {'empty' if empty else f'with {task.size} frames'}"
        return Finding(where, what, Action.DELETE_TASK if empty else Action.REPORT, twin.batch_id, task.id)
    if given_up is not None:
        what = f"was given up for {given_up} and is still there"
        return Finding(where, what, Action.DELETE_TASK if empty else Action.REPORT, given_up, task.id)
    return Finding(
        where, "the ledger knows nothing of it: another ledger's, or one for `labelyard adopt`", Action.REPORT
    )
