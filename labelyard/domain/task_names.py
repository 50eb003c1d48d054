"""What the names that labelyard has given to CVAT tasks mean now, and which tasks may have them.

A creation whose response was lost may take effect much later: after its batch has another task, or has ended. CVAT
then has a task whose id the ledger never learns. Its name tells: the ledger knows every name that it ever fixed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from labelyard.domain.states import WITHOUT_TASK, BatchState, TaskState


@dataclass(frozen=True)
class Attempt:
    """A task that a batch has or had: its name, how far labelyard is with it, and its id once the server has it."""

    name: str
    state: TaskState
    server_id: int | None = None


@dataclass(frozen=True)
class TaskName:
    """A name that labelyard gave to a task of a batch.

    Only the task `kept` may have it; None: no task may. While it is `awaited`, a run has to create the task or to find
    it, and only that run may delete another one.
    """

    name: str
    batch_id: str
    kept: int | None = None
    awaited: bool = False


def task_name_pattern(dataset: str) -> re.Pattern[str]:
    """Return the pattern of a dataset's task names; its groups are the batch id and the attempt."""
    return re.compile(rf"({re.escape(dataset)}-\d{{5,}}) [0-9a-f]{{10}}(?: #(\d+))?")


def task_names(
    batch_id: str, state: BatchState, first: str | None, attempts: Iterable[Attempt], *, ending: bool = False
) -> Iterator[TaskName]:
    """Yield the names of a closed batch's tasks. `first` is the name of the first one, also before it is planned.

    With `ending` the batch is about to end without a task. Names that a person gave to an adopted task are left out.
    """
    pattern = task_name_pattern(batch_id.rpartition("-")[0])
    ended, names = ending or state in WITHOUT_TASK, set[str]()
    for attempt in attempts:
        names.add(attempt.name)
        if pattern.fullmatch(attempt.name):
            unused = ended or attempt.state is TaskState.ABANDONED
            awaited = not unused and attempt.server_id is None
            yield TaskName(attempt.name, batch_id, None if unused else attempt.server_id, awaited)
    if first is not None and not names:
        yield TaskName(first, batch_id, awaited=not ended)
