"""The flow that brings the pages up to date at once, as housekeeping does; people start it."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.operations.figures import read_figures
from labelyard.orchestration.page_updates import update_pages
from labelyard.orchestration.states import report_failures


@flow(name="report-operations", flow_run_name="report operations", persist_result=False)
@report_failures
def report_operations() -> State:
    """Update the page of the installation, of each dataset, and of every batch that has changed."""
    with open_context() as context:
        update_pages(context)
        return Completed(message=read_figures(context.ledger).verdict)
