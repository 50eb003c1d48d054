"""wait_for_status as a Prefect task, with an event."""

from dataclasses import asdict
from typing import Any

from labelyard.context import open_context
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.orchestration.steps import step_task, waiting_step
from labelyard.pipeline import wait_for_status as step
from labelyard.pipeline.acquire_batch import resume_lease


@step_task("wait_for_status", "wait for {batch}")
def wait_for_status(batch: str, holder: str) -> dict[str, Any]:
    """Wait until the batch's task has every file as a frame.

    Return its id and the counts of frames and jobs, or what CVAT last said and when a run asks again. `holder` is the
    lease's, taken by the flow.
    """
    with open_context() as context:
        lease = resume_lease(context, batch, holder)
        found = step.wait_for_status(lease)
        if isinstance(found, step.UnfinishedTask):
            return waiting_step(found)
        emit_batch_event(
            "data.verified",
            batch,
            lease.spec.name,
            task=found.task_id,
            frames=found.frames,
            jobs=found.jobs,
        )
    return asdict(found)
