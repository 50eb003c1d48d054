"""A closed batch becomes a task whose jobs lie with people."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.prefect.endings import plain_ending
from labelyard.prefect.pages import tag_run
from labelyard.steps.claiming import claimed
from labelyard.workplace import open_workplace
from tasks.assign_jobs import assign_jobs
from tasks.create_task import create_task
from tasks.upload_data import upload_data
from tasks.wait_for_status import wait_for_status


@flow(name="ingest-batch", flow_run_name="{batch}", persist_result=False)
@plain_ending
def ingest_batch(batch: str, attempt: int = 1) -> State:
    """Make the batch's task, upload its images, wait for the frames, hand out the jobs.

    Goes on where an earlier run stopped: the ledger and the server say where that is. `attempt` counts the
    announcements of the batch.
    """
    with open_workplace() as place, claimed(place, batch) as work:
        tag_run(work.spec.name)
        created = create_task(work)
        upload_data(work)
        wait_for_status(work)
        assigned = assign_jobs(work)
    return Completed(
        name="Waiting for annotators",
        message=f"task {created.task_id} ({created.name}), {len(assigned.jobs)} jobs, announcement {attempt}",
    )
