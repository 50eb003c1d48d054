"""The flow that releases a dataset: started by a person, or by the dataset's schedule."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.orchestration.current_run import newer_run_of_schedule, tag_run
from labelyard.orchestration.parameters import DatasetName
from labelyard.orchestration.run_pages import publish_page_links
from labelyard.orchestration.states import caught_up, report_failures
from tasks.release_dataset import release_dataset as release


@flow(name="release-dataset", flow_run_name="release {dataset}", persist_result=False)
@report_failures
def release_dataset(dataset: DatasetName) -> State:
    """Merge the current exports of a dataset into a release in the bucket, unless nothing has changed.

    Args:
        dataset: The name of the dataset, as its file and `labelyard status` have it.
    """
    if newer := newer_run_of_schedule():
        return caught_up(newer)
    tag_run(dataset)
    with open_context() as context:
        publish_page_links(context.settings, dataset)
        released = release(dataset)
    if not released["is_new"]:
        return Completed(name="Nothing has changed", message=f"since release {released['number']}, {released['url']}")
    return Completed(name="Released", message=f"release {released['number']}, {released['url']}")
