"""The scheduled flow that reads the progress of every assigned task from CVAT."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.context import open_context
from labelyard.operations.probe_servers import unavailable
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.orchestration.page_updates import update_pages
from labelyard.orchestration.states import no_op, report_failures, tried_again
from labelyard.pipeline.check_quality import check_quality
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.publish_events import publish_events


@flow(name="collect-finished", flow_run_name="collect finished tasks", persist_result=False)
@report_failures
def collect_finished() -> State:
    """Read the states of all jobs from CVAT and publish an event for each batch whose jobs are all completed.

    On CVAT 2.x completed replicas are merged, and finished work is compared with accepted ground truth.
    """
    with open_context() as context:
        found = collect(context)
        publish_events(context, PrefectEvents(context.settings))
        checked = check_quality(context)  # it may wait for CVAT
        update_pages(context)
        failing = unavailable(context)
    failures = {**(found.failed or {}), **checked.failed}
    if found.needs_person:
        return Failed(message="\n".join(failures[batch] for batch in found.needs_person))
    changed = list(dict.fromkeys([*found.changed, *checked.merged, *checked.reports]))
    if not changed:
        return tried_again(failures.values()) if failures and not failing else no_op(failing)
    return Completed(
        message=f"completed: {', '.join(found.completed) or '-'}; reopened: {', '.join(found.reopened) or '-'}; "
        f"changed: {', '.join(changed)}"
    )
