"""The daily flow that writes the operations artifact for the labelling lead."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.ledger.overview import overview
from labelyard.orchestration.artifacts import publish_markdown
from labelyard.orchestration.operations_artifact import operations_markdown
from labelyard.orchestration.states import report_failures


@flow(name="report-operations", flow_run_name="report operations", persist_result=False)
@report_failures
def report_operations() -> State:
    """Write the artifact `operations` from the ledger."""
    with open_context() as context, context.ledger.read_only() as tx:
        seen = overview(tx)
    publish_markdown("operations", operations_markdown(seen), "What arrived, who has what, what is late or failed")
    states = ", ".join(f"{count} {state}" for state, count in sorted(seen.states.items()))
    return Completed(message=states or "no batch yet")
