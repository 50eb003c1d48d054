"""A completed task becomes a checked COCO file in the bucket."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.plan.lifecycle import BatchState
from labelyard.prefect.endings import plain_ending
from labelyard.prefect.pages import tag_run
from labelyard.steps.claiming import claimed
from labelyard.workplace import open_workplace
from tasks.export_annotations import export_annotations


@flow(name="export-task", flow_run_name="{batch}", persist_result=False)
@plain_ending
def export_task(batch: str, attempt: int = 1) -> State:
    """Export the batch's task, compare the file with its annotations, store it under the original keys.

    `attempt` counts the announcements of the batch.
    """
    with open_workplace() as place, claimed(place, batch, (BatchState.COMPLETED,)) as work:
        tag_run(work.spec.name)
        exported = export_annotations(work)
    return Completed(name="Exported", message=f"{exported.url}, announcement {attempt}")
