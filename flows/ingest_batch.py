"""The flow that turns a closed batch into a CVAT task with assigned jobs."""

from prefect import flow
from prefect.client.schemas.objects import State

from labelyard.context import open_context
from labelyard.orchestration.current_run import tag_run
from labelyard.orchestration.run_pages import publish_page_links
from labelyard.orchestration.states import report_failures, waiting_for_annotators, waiting_for_cvat
from labelyard.pipeline.acquire_batch import acquire_batch
from tasks.assign_jobs import assign_jobs
from tasks.create_task import create_task
from tasks.preannotate_task import preannotate_task
from tasks.upload_data import upload_data
from tasks.wait_for_status import wait_for_status


@flow(name="ingest-batch", flow_run_name="ingest {batch}", persist_result=False)
@report_failures
def ingest_batch(batch: str, attempt: int = 1) -> State:
    """Create the batch's task, upload its images, wait for the frames, import predictions if any, assign the jobs.

    Continues where an earlier run stopped, according to the ledger and the server. If CVAT takes long to make the
    frames, or has not answered a request, the run ends, and a later run continues. `attempt` counts the events
    published for the batch.
    """
    with open_context() as context, acquire_batch(context, batch) as lease:
        tag_run(lease.spec.name)
        publish_page_links(context.settings, lease.spec.name, batch)
        created = create_task(batch, lease.holder)
        upload_data(batch, lease.holder)
        found = wait_for_status(batch, lease.holder)
        if lease.spec.preannotate and "next_run" not in found:
            found = preannotate_task(batch, lease.holder)
        assigned = None if "next_run" in found else assign_jobs(batch, lease.holder)
    if assigned is None:  # after the `with` block, because a run that waits leaves by an exception
        return waiting_for_cvat(found)
    return waiting_for_annotators(created, assigned, attempt)
