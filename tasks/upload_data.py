"""upload_data as a Prefect task, with a progress bar and an event."""

from dataclasses import asdict
from typing import Any

from labelyard.context import open_context
from labelyard.orchestration.artifacts import UploadProgress
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.orchestration.steps import step_task
from labelyard.pipeline import upload_data as step
from labelyard.pipeline.acquire_batch import resume_lease


@step_task("upload_data", "upload {batch}")
def upload_data(batch: str, holder: str) -> dict[str, Any]:
    """Upload the batch's images to its task. Return the counts of files and bytes, and the quarantined objects.

    `holder` is the lease's, taken by the flow.
    """
    with open_context() as context:
        lease = resume_lease(context, batch, holder)
        with UploadProgress(batch) as progress:
            uploaded = step.upload_data(lease, progress)
        emit_batch_event("data.uploaded", batch, lease.spec.name, files=uploaded.files, bytes=uploaded.bytes)
    return asdict(uploaded)
