"""collect_reported: do for the tasks that CVAT's webhook reported what collect_finished does for all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from labelyard.context import Context
from labelyard.cvat_names import settings_key
from labelyard.domain.states import BatchState
from labelyard.ledger import tasks
from labelyard.ledger.tables import Batch
from labelyard.pipeline.collect_finished import collect_reported
from labelyard.sources.reported_tasks import ReportedTask


def collect_reported_tasks(context: Context, reported: Mapping[ReportedTask, bool]) -> Collection[ReportedTask]:
    """Ask CVAT for reported tasks, and record what changed; other tasks are nobody's and are ignored.

    The value of a task says whether annotations were saved in it and nothing else. Returns the tasks that another
    process recorded meanwhile: what it saw may be older than the report.
    """
    with context.ledger.read_only() as tx:
        live = tasks.with_people(tx, {task.task_id for task in reported})
    batches = {ReportedTask(settings_key(row.cvat), row.server_id or 0): batch for row, batch in live}
    found = {task: batches[task] for task, only_saved in reported.items() if _concerns(batches.get(task), only_saved)}
    collected = collect_reported(context, list(found.values()))
    return [task for task, batch in found.items() if batch.id in collected.overtaken]


def _concerns(batch: Batch | None, only_saved: bool) -> bool:  # noqa: FBT001 - the value of a report
    """Return whether the report may concern a batch: saved annotations do not complete a job that people still have."""
    return batch is not None and not (only_saved and batch.state is BatchState.ASSIGNED)
