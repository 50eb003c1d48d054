"""A daily page for the labelling lead: what came in, who has how much, what is late, what failed and why."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.ledger.overview import overview
from labelyard.orchestration.artifacts import page
from labelyard.orchestration.operations_artifact import operations_page
from labelyard.orchestration.orphaned_runs import end_orphaned_runs
from labelyard.orchestration.states import report_failures


@flow(name="report-operations", flow_run_name="operations", persist_result=False)
@report_failures
def report_operations() -> State:
    """Draw the page anew from the ledger, as the artifact `operations`."""
    with open_context() as context:
        end_orphaned_runs(context)
        with context.ledger.read_only() as tx:
            seen = overview(tx)
    page("operations", operations_page(seen), "What came in, who has how much, what is late, what failed and why")
    states = ", ".join(f"{count} {state}" for state, count in sorted(seen.states.items()))
    return Completed(message=states or "no batch yet")
