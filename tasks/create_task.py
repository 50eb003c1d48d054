"""create_task as a Prefect task, with an event."""

from dataclasses import asdict
from typing import Any

from labelyard.context import open_context
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.orchestration.steps import step_task
from labelyard.pipeline import create_task as step
from labelyard.pipeline.acquire_batch import resume_lease


@step_task("create_task", "create the task of {batch}")
def create_task(batch: str, holder: str) -> dict[str, Any]:
    """Create the batch's task on CVAT, or find the one created earlier. Return its id, name, URL and origin.

    `holder` is the lease's, taken by the flow.
    """
    with open_context() as context:
        lease = resume_lease(context, batch, holder)
        created = step.create_task(lease)
        emit_batch_event("task.created", batch, lease.spec.name, task=created.task_id, url=created.url, how=created.how)
    return asdict(created)
