"""What Prefect failed to start is told where the lead looks: a run, a page, and the ledger's word on each batch."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Failed

from labelyard.context import open_context
from labelyard.orchestration.artifacts import page
from labelyard.orchestration.failed_actions import failed_actions, failed_actions_page
from labelyard.orchestration.states import report_failures
from labelyard.pipeline.publish_events import report_not_started


@flow(name="report-failed-actions", flow_run_name="failed actions", persist_result=False)
@report_failures
def report_failed_actions(since: datetime) -> State:
    """Tell which automation failed, for which batch and why; `since` is when the first of them did."""
    failed = failed_actions(since)
    page("failed-actions", failed_actions_page(failed), f"{len(failed)} failed actions")
    with open_context() as context:
        for one in failed:
            if one.batch:
                report_not_started(context, one.batch, one.reason)
    lines = [f"{one.automation}: {one.batch or ''} {one.reason}" for one in failed]
    return Failed(name="Actions failed", message="\n".join([*lines, "  next: labelyard doctor"]))
