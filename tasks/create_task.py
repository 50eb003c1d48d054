"""create_task as a Prefect task: the name of its run, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.prefect.pages import event
from labelyard.steps import create_task as step
from labelyard.steps.claiming import Work
from labelyard.steps.create_task import Created


@task(
    name="create_task", task_run_name="create the task of {work.batch_id}", cache_policy=NO_CACHE, persist_result=False
)
def create_task(work: Work) -> Created:
    """Make the batch's task on CVAT, or find it."""
    created = step.create_task(work)
    event("task.created", work.batch_id, work.spec.name, task=created.task_id, url=created.url, how=created.how)
    return created
