"""wait_for_status as a Prefect task, with an event."""

from dataclasses import asdict
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.context import open_context
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.pipeline import wait_for_status as step
from labelyard.pipeline.acquire_batch import resume_lease


@task(name="wait_for_status", task_run_name="wait for {batch}", cache_policy=NO_CACHE, persist_result=False)
def wait_for_status(batch: str, holder: str) -> dict[str, Any]:
    """Wait until the batch's task has every file as a frame.

    Return its id and the counts of frames and jobs, or what CVAT last said and when a run asks again. `holder` is the
    lease's, taken by the flow.
    """
    with open_context() as context:
        lease = resume_lease(context, batch, holder)
        found = step.wait_for_status(lease)
        if isinstance(found, step.UnfinishedTask):
            return found.document()
        emit_batch_event(
            "data.verified",
            batch,
            lease.spec.name,
            task=found.task_id,
            frames=found.frames,
            jobs=found.jobs,
        )
    return asdict(found)
