"""The scheduled flow that lists the sources, for objects and batches whose events were lost."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.context import open_context
from labelyard.operations.probe_servers import unavailable
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.orchestration.states import no_op, report_failures
from labelyard.pipeline.close_batches import close_due
from labelyard.pipeline.publish_events import publish_again, publish_events
from labelyard.pipeline.register_objects import sweep_sources as sweep


@flow(name="sweep-sources", flow_run_name="sweep sources", persist_result=False)
@report_failures
def sweep_sources() -> State:
    """List every source, register new objects, close due batches, publish events again for batches without a run."""
    with open_context() as context:
        events = PrefectEvents(context.settings)
        publish_again(context, events)
        sent = publish_events(context, events)  # before the listing, which may take minutes
        swept = sweep(context)
        close_due(context)
        sent += publish_events(context, events)
        failing = unavailable(context)
    if swept.failed:
        return Failed(message="\n".join(swept.failed))
    new = {name: count.new for name, count in swept.registered.items() if count.new}
    if not new and not sent:
        return no_op(failing)
    return Completed(message=f"registered {new or 'nothing'}; {sent} events published")
