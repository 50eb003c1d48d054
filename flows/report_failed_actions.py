"""What Prefect failed to start is told where the lead looks: a run, a page, and the ledger's word on each batch."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Failed

from labelyard.prefect.endings import plain_ending
from labelyard.prefect.failed_actions import failed_actions, failed_actions_page
from labelyard.prefect.pages import page
from labelyard.steps.announcing import not_started
from labelyard.workplace import open_workplace


@flow(name="report-failed-actions", flow_run_name="failed actions", persist_result=False)
@plain_ending
def report_failed_actions(since: datetime) -> State:
    """Tell which automation failed, for which batch and why; `since` is when the first of them did."""
    failed = failed_actions(since)
    page("failed-actions", failed_actions_page(failed), f"{len(failed)} failed actions")
    with open_workplace() as place:
        for one in failed:
            if one.batch:
                not_started(place, one.batch, one.reason)
    lines = [f"{one.automation}: {one.batch or ''} {one.reason}" for one in failed]
    return Failed(name="Actions failed", message="\n".join([*lines, "  next: labelyard doctor"]))
