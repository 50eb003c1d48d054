"""export_annotations as a Prefect task, with the batch's artifact and an event."""

from dataclasses import asdict
from typing import Any

from labelyard.context import open_context
from labelyard.orchestration.events_with_client import emit_batch_event
from labelyard.orchestration.page_updates import update_batch_artifact
from labelyard.orchestration.steps import step_task
from labelyard.pipeline import export_annotations as step
from labelyard.pipeline.acquire_batch import resume_lease


@step_task("export_annotations", "export {batch}")
def export_annotations(batch: str, holder: str) -> dict[str, Any]:
    """Write what people drew to the bucket, in every format of the dataset. Return the URLs and counts.

    `holder` is the lease's, taken by the flow.
    """
    with open_context() as context:
        lease = resume_lease(context, batch, holder)
        exported = step.export_annotations(lease)
        emit_batch_event("batch.exported", batch, lease.spec.name, url=exported.url, annotations=exported.annotations)
        update_batch_artifact(context, batch)
    return asdict(exported)
