"""preannotate_task as a Prefect task, with an event."""

from dataclasses import asdict
from typing import Any

from labelyard.context import open_context
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.orchestration.steps import step_task, waiting_step
from labelyard.pipeline import preannotate_task as step
from labelyard.pipeline.acquire_batch import resume_lease
from labelyard.pipeline.wait_for_status import UnfinishedTask


@step_task("preannotate_task", "pre-annotate {batch}")
def preannotate_task(batch: str, holder: str) -> dict[str, Any]:
    """Import a model's predictions into the batch's task. Return how many, or why none; nothing if there was no need.

    While an earlier request may still take effect, return the reason and when a run tries again.

    `holder` is the lease's, taken by the flow.
    """
    with open_context() as context:
        lease = resume_lease(context, batch, holder)
        found = step.preannotate_task(lease)
        if found is None:
            return {}
        if isinstance(found, UnfinishedTask):
            return waiting_step(found)
        emit_batch_event(
            "task.preannotated", batch, lease.spec.name, predictions=found.predicted, reason=found.reason or ""
        )
    return asdict(found)
