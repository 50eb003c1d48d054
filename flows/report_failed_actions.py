"""The flow that reports runs which Prefect's automations failed to start."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.context import open_context
from labelyard.orchestration.artifacts import publish_markdown
from labelyard.orchestration.failed_actions import failed_actions, failed_actions_markdown, record_problem
from labelyard.orchestration.states import report_failures
from labelyard.pipeline.publish_events import record_not_started


@flow(name="report-failed-actions", flow_run_name="failed actions", persist_result=False)
@report_failures
def report_failed_actions(since: datetime) -> State:
    """Report every action that failed since then: as this run's state, as an artifact, and on its batch in the ledger.

    `since` is the time of the first failure. The run is failed if an automation fails for a reason that is not known
    yet. While Prefect's database is busy, the events of the batches are published again, and `labelyard doctor` counts
    them.
    """
    failed = failed_actions(since)
    publish_markdown("failed-actions", failed_actions_markdown(failed), f"{len(failed)} failed actions")
    with open_context() as context:
        for action in failed:
            if action.batch:
                record_not_started(context, action.batch, action.reason)
        new = [action for action in failed if not action.busy and record_problem(context, action)]
    lines = [f"{action.automation}: {action.batch or ''} {action.reason}" for action in new or failed]
    if not new:
        return Completed(name="Published again later", message="\n".join(lines))
    return Failed(name="Actions failed", message="\n".join([*lines, "  next: labelyard doctor"]))
