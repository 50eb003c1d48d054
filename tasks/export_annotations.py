"""export_annotations as a Prefect task: the name of its run, the batch's page, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.orchestration.artifacts import event
from labelyard.orchestration.batch_artifact import update_batch_artifact
from labelyard.pipeline import export_annotations as step
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.export_annotations import Exported


@task(name="export_annotations", task_run_name="export {lease.batch_id}", cache_policy=NO_CACHE, persist_result=False)
def export_annotations(lease: BatchLease) -> Exported:
    """Write the batch's annotations to the bucket as a checked COCO file."""
    exported = step.export_annotations(lease)
    event("batch.exported", lease.batch_id, lease.spec.name, url=exported.url, annotations=exported.annotations)
    update_batch_artifact(lease.context, lease.batch_id)
    return exported
