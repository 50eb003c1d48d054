"""The scheduled flow that keeps Prefect's display, its pages and the circuit breakers up to date."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.operations.probe_servers import probe, unavailable
from labelyard.orchestration.artifact_versions import prune_artifact_versions
from labelyard.orchestration.noop_runs import prune_noop_runs
from labelyard.orchestration.orphaned_runs import mark_orphaned_runs_crashed
from labelyard.orchestration.page_updates import update_pages
from labelyard.orchestration.states import no_op, report_failures


@flow(name="housekeeping", flow_run_name="housekeeping", persist_result=False)
@report_failures
def housekeeping() -> State:
    """End orphaned runs, probe servers with an open circuit breaker, update the pages, delete what is of no use."""
    with open_context() as context:
        ended = mark_orphaned_runs_crashed(context)
        before = unavailable(context)
        after = probe(context)
        update_pages(context)
    prune_noop_runs()
    prune_artifact_versions()
    recovered = sorted(before.keys() - after.keys())
    if not ended and not recovered:
        return no_op(after)
    return Completed(
        message=f"marked as Crashed: {', '.join(ended) or '-'}; available again: {', '.join(recovered) or '-'}"
    )
