"""create_task as a Prefect task: the name of its run, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.orchestration.artifacts import event
from labelyard.pipeline import create_task as step
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.create_task import Created


@task(
    name="create_task", task_run_name="create the task of {lease.batch_id}", cache_policy=NO_CACHE, persist_result=False
)
def create_task(lease: BatchLease) -> Created:
    """Make the batch's task on CVAT, or find it."""
    created = step.create_task(lease)
    event("task.created", lease.batch_id, lease.spec.name, task=created.task_id, url=created.url, how=created.how)
    return created
