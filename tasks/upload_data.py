"""upload_data as a Prefect task: the name of its run, a bar while bytes are sent, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.prefect.pages import UploadProgress, event
from labelyard.steps import upload_data as step
from labelyard.steps.claiming import Work
from labelyard.steps.upload_data import Uploaded


@task(name="upload_data", task_run_name="upload {work.batch_id}", cache_policy=NO_CACHE, persist_result=False)
def upload_data(work: Work) -> Uploaded:
    """Send the batch's images to its task."""
    with UploadProgress(work.batch_id) as sent:
        uploaded = step.upload_data(work, sent)
    event("data.uploaded", work.batch_id, work.spec.name, files=uploaded.files, bytes=uploaded.bytes)
    return uploaded
