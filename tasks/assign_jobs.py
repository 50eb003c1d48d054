"""assign_jobs as a Prefect task, with the batch's artifact and an event."""

from dataclasses import asdict
from typing import Any

from labelyard.context import open_context
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.orchestration.page_updates import update_batch_artifact
from labelyard.orchestration.steps import step_task
from labelyard.pipeline import assign_jobs as step
from labelyard.pipeline.acquire_batch import resume_lease


@step_task("assign_jobs", "assign {batch}")
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
