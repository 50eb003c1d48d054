"""assign_jobs as a Prefect task, with the batch's artifact and an event."""

from dataclasses import asdict
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.context import open_context
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.orchestration.page_updates import update_batch_artifact
from labelyard.pipeline import assign_jobs as step
from labelyard.pipeline.acquire_batch import resume_lease


@task(name="assign_jobs", task_run_name="assign {batch}", cache_policy=NO_CACHE, persist_result=False)
def assign_jobs(batch: str, holder: str) -> dict[str, Any]:
    """Assign every job of the batch's task to an annotator. Return the assignments.

    `holder` is the lease's, taken by the flow.
    """
    with open_context() as context:
        lease = resume_lease(context, batch, holder)
        assigned = step.assign_jobs(lease)
        annotators = {str(job.job_id): job.annotator for job in assigned.jobs}
        emit_batch_event("jobs.assigned", batch, lease.spec.name, jobs=annotators)
        update_batch_artifact(context, batch)
    return asdict(assigned)
