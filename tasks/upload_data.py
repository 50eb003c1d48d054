"""upload_data as a Prefect task: the name of its run, a bar while bytes are sent, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.orchestration.artifacts import UploadProgress, event
from labelyard.pipeline import upload_data as step
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.upload_data import Uploaded


@task(name="upload_data", task_run_name="upload {lease.batch_id}", cache_policy=NO_CACHE, persist_result=False)
def upload_data(lease: BatchLease) -> Uploaded:
    """Send the batch's images to its task."""
    with UploadProgress(lease.batch_id) as sent:
        uploaded = step.upload_data(lease, sent)
    event("data.uploaded", lease.batch_id, lease.spec.name, files=uploaded.files, bytes=uploaded.bytes)
    return uploaded
