"""wait_for_status as a Prefect task: the name of its run, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.orchestration.artifacts import event
from labelyard.pipeline import wait_for_status as step
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.wait_for_status import Proved


@task(name="wait_for_status", task_run_name="wait for {lease.batch_id}", cache_policy=NO_CACHE, persist_result=False)
def wait_for_status(lease: BatchLease) -> Proved:
    """Wait until the task shows every file as a frame."""
    proved = step.wait_for_status(lease)
    event("data.proved", lease.batch_id, lease.spec.name, task=proved.task_id, frames=proved.frames, jobs=proved.jobs)
    return proved
