"""A daily page for the labelling lead: what came in, who has how much, what is late, what failed and why."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.ledger.overview import overview
from labelyard.prefect.dead_runs import end_dead_runs
from labelyard.prefect.endings import plain_ending
from labelyard.prefect.operations import operations_page
from labelyard.prefect.pages import page
from labelyard.workplace import open_workplace


@flow(name="report-operations", flow_run_name="operations", persist_result=False)
@plain_ending
def report_operations() -> State:
    """Draw the page anew from the ledger, as the artifact `operations`."""
    with open_workplace() as place:
        end_dead_runs(place)
        with place.ledger.read() as session:
            seen = overview(session, place.ledger.now(session))
    page("operations", operations_page(seen), "What came in, who has how much, what is late, what failed and why")
    states = ", ".join(f"{count} {state}" for state, count in sorted(seen.states.items()))
    return Completed(message=states or "no batch yet")
