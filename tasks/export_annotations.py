"""export_annotations as a Prefect task: the name of its run, the batch's page, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.prefect.batch_page import show_batch
from labelyard.prefect.pages import event
from labelyard.steps import export_annotations as step
from labelyard.steps.claiming import Work
from labelyard.steps.export_annotations import Exported


@task(name="export_annotations", task_run_name="export {work.batch_id}", cache_policy=NO_CACHE, persist_result=False)
def export_annotations(work: Work) -> Exported:
    """Write the batch's annotations to the bucket as a checked COCO file."""
    exported = step.export_annotations(work)
    event("batch.exported", work.batch_id, work.spec.name, url=exported.url, annotations=exported.annotations)
    show_batch(work.place, work.batch_id)
    return exported
