"""wait_for_status as a Prefect task: the name of its run, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.orchestration.artifacts import event
from labelyard.pipeline import wait_for_status as step
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.wait_for_status import VerifiedTask


@task(name="wait_for_status", task_run_name="wait for {work.batch_id}", cache_policy=NO_CACHE, persist_result=False)
def wait_for_status(lease: BatchLease) -> VerifiedTask:
    """Wait until the task shows every file as a frame."""
    verified = step.wait_for_status(lease)
    event(
        "data.proved",
        lease.batch_id,
        lease.spec.name,
        task=verified.task_id,
        frames=verified.frames,
        jobs=verified.jobs,
    )
    return verified
