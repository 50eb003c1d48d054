"""A scheduled look at the sources: lands what no event told of, and announces what nobody has taken."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.context import open_context
from labelyard.operations.probe_servers import probe
from labelyard.orchestration.events_api import PrefectEvents
from labelyard.orchestration.noop_runs import nothing_new, prune_noop_runs, still_away
from labelyard.orchestration.orphaned_runs import end_orphaned_runs
from labelyard.orchestration.states import report_failures
from labelyard.pipeline.close_batches import close_due
from labelyard.pipeline.publish_events import publish_again, publish_events
from labelyard.pipeline.register_objects import sweep_sources as sweep


@flow(name="sweep-sources", flow_run_name="list the sources", persist_result=False)
@report_failures
def sweep_sources() -> State:
    """List every source, land what the ledger lacks, close what is due, announce again what waits unclaimed."""
    with open_context() as context:
        events = PrefectEvents(context.settings)
        end_orphaned_runs(context)
        away = probe(context)
        publish_again(context, events)
        sent = publish_events(context, events)  # before the listing, which may take minutes
        swept = sweep(context)
        close_due(context)
        sent += publish_events(context, events)
    prune_noop_runs()
    if swept.failed:
        return Failed(message="\n".join(swept.failed))
    new = {name: count.new for name, count in swept.registered.items() if count.new}
    if not new and not sent:
        return still_away(away) if away else nothing_new()
    return Completed(message=f"landed {new or 'nothing'}; {sent} batches announced")
