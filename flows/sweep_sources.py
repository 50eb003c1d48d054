"""The scheduled flow that lists the sources, for objects and batches whose events were lost."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.context import open_context
from labelyard.operations.probe_servers import unavailable
from labelyard.orchestration.current_run import newer_run_of_schedule, tag_run
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.orchestration.parameters import DatasetName
from labelyard.orchestration.states import caught_up, no_op, report_failures, tried_again
from labelyard.pipeline.sweep import sweep


@flow(name="sweep-sources", flow_run_name="sweep sources", persist_result=False)
@report_failures
def sweep_sources(dataset: DatasetName | None = None) -> State:
    """List the sources, register new objects, close due batches, publish events again for batches without a run.

    Without a dataset: the sources of all datasets that have no schedule of their own for it.

    Args:
        dataset: The name of the dataset; empty for all of them.
    """
    if newer := newer_run_of_schedule():
        return caught_up(newer)
    if dataset:
        tag_run(dataset)
    with open_context() as context:
        swept = sweep(context, PrefectEvents(context.settings), dataset)
        failing = unavailable(context)
    if swept.sources.needs_person:
        return Failed(message="\n".join(swept.sources.needs_person))
    new = {name: count.new for name, count in swept.sources.registered.items() if count.new}
    if not new and not swept.published:
        return tried_again(swept.sources.failed) if swept.sources.failed and not failing else no_op(failing)
    return Completed(message=f"registered {new or 'nothing'}; {swept.published} events published")
