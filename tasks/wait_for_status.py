"""wait_for_status as a Prefect task: the name of its run, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.prefect.pages import event
from labelyard.steps import wait_for_status as step
from labelyard.steps.claiming import Work
from labelyard.steps.wait_for_status import Proved


@task(name="wait_for_status", task_run_name="wait for {work.batch_id}", cache_policy=NO_CACHE, persist_result=False)
def wait_for_status(work: Work) -> Proved:
    """Wait until the task shows every file as a frame."""
    proved = step.wait_for_status(work)
    event("data.proved", work.batch_id, work.spec.name, task=proved.task_id, frames=proved.frames, jobs=proved.jobs)
    return proved
