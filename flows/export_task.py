"""The flow that exports what people drew in a completed task."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.domain.states import BatchState
from labelyard.orchestration.current_run import tag_run
from labelyard.orchestration.run_pages import publish_page_links
from labelyard.orchestration.states import report_failures
from labelyard.pipeline.acquire_batch import acquire_batch
from tasks.export_annotations import export_annotations


@flow(name="export-task", flow_run_name="export {batch}", persist_result=False)
@report_failures
def export_task(batch: str, attempt: int = 1) -> State:
    """Write what people drew in the batch's task to the bucket, in every format of its dataset.

    `attempt` counts the events published for the batch.
    """
    with open_context() as context, acquire_batch(context, batch, (BatchState.COMPLETED,)) as lease:
        tag_run(lease.spec.name)
        publish_page_links(context.settings, lease.spec.name, batch)
        exported = export_annotations(batch, lease.holder)
    return Completed(name="Exported", message=f"{exported['url']}, event {attempt}")
