"""create_task as a Prefect task, with an event."""

from dataclasses import asdict
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.context import open_context
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.pipeline import create_task as step
from labelyard.pipeline.acquire_batch import resume_lease


@task(name="create_task", task_run_name="create the task of {batch}", cache_policy=NO_CACHE, persist_result=False)
def create_task(batch: str, holder: str) -> dict[str, Any]:
    """Create the batch's task on CVAT, or find the one created earlier. Return its id, name, URL and origin.

    `holder` is the lease's, taken by the flow.
    """
    with open_context() as context:
        lease = resume_lease(context, batch, holder)
        created = step.create_task(lease)
        emit_batch_event("task.created", batch, lease.spec.name, task=created.task_id, url=created.url, how=created.how)
    return asdict(created)
