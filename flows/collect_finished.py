"""A scheduled look at every task that lies with people: complete ones are announced, reopened ones noticed."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.context import open_context
from labelyard.operations.probe_servers import probe
from labelyard.orchestration.batch_artifact import update_batch_artifact
from labelyard.orchestration.events_api import PrefectEvents
from labelyard.orchestration.noop_runs import nothing_new, prune_noop_runs, still_away
from labelyard.orchestration.orphaned_runs import end_orphaned_runs
from labelyard.orchestration.states import report_failures
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.publish_events import publish_events


@flow(name="collect-finished", flow_run_name="look at the jobs", persist_result=False)
@report_failures
def collect_finished() -> State:
    """Ask CVAT how far the jobs are; announce the batches whose jobs are all completed."""
    with open_context() as context:
        end_orphaned_runs(context)
        away = probe(context)
        found = collect(context)
        publish_events(context, PrefectEvents(context.settings))
        for batch in found.changed:
            update_batch_artifact(context, batch)
    prune_noop_runs()
    if found.failed:
        return Failed(message="\n".join(found.failed.values()))
    if not found.changed:
        return still_away(away) if away else nothing_new()
    return Completed(
        message=f"completed: {', '.join(found.completed) or '-'}; reopened: {', '.join(found.reopened) or '-'}; "
        f"pages drawn anew: {', '.join(found.changed)}"
    )
