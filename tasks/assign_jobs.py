"""assign_jobs as a Prefect task: the name of its run, the batch's page, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.orchestration.artifacts import event
from labelyard.orchestration.batch_artifact import update_batch_artifact
from labelyard.pipeline import assign_jobs as step
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.assign_jobs import Assigned


@task(name="assign_jobs", task_run_name="assign {lease.batch_id}", cache_policy=NO_CACHE, persist_result=False)
def assign_jobs(lease: BatchLease) -> Assigned:
    """Give every job of the task to somebody."""
    assigned = step.assign_jobs(lease)
    event(
        "jobs.assigned", lease.batch_id, lease.spec.name, jobs={str(job.job_id): job.annotator for job in assigned.jobs}
    )
    update_batch_artifact(lease.context, lease.batch_id)
    return assigned
