"""preannotate_task as a Prefect task, with an event."""

from dataclasses import asdict
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.context import open_context
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.pipeline import preannotate_task as step
from labelyard.pipeline.acquire_batch import resume_lease
from labelyard.pipeline.wait_for_status import UnfinishedTask


@task(name="preannotate_task", task_run_name="pre-annotate {batch}", cache_policy=NO_CACHE, persist_result=False)
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
            return found.document()
        emit_batch_event(
            "task.preannotated", batch, lease.spec.name, predictions=found.predicted, reason=found.reason or ""
        )
    return asdict(found)
