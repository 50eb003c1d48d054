"""The scheduled flow that keeps Prefect's display, its pages and the circuit breakers up to date."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.ledger.problems import HOUSEKEEPING
from labelyard.operations.probe_servers import probe, unavailable
from labelyard.operations.send_alerts import send_alerts
from labelyard.operations.send_messages import send_messages
from labelyard.orchestration.alert_channels import send
from labelyard.orchestration.artifact_versions import prune_artifact_versions
from labelyard.orchestration.dataset_schedules import restore_schedules
from labelyard.orchestration.noop_runs import prune_noop_runs
from labelyard.orchestration.orphaned_runs import mark_orphaned_runs_crashed
from labelyard.orchestration.page_updates import update_pages
from labelyard.orchestration.recovered_runs import mark_recovered_runs
from labelyard.orchestration.states import no_op, report_failures
from labelyard.orchestration.waiting_runs import continue_waiting_runs


@flow(name="housekeeping", flow_run_name="housekeeping", persist_result=False)
@report_failures
def housekeeping() -> State:
    """End orphaned runs, probe failing servers, continue and recover runs, update the pages, send alerts and messages.

    No-op runs and old versions of artifacts are deleted.
    """
    with open_context() as context:
        ended = mark_orphaned_runs_crashed(context)
        before = unavailable(context)
        after = probe(context)
        restore_schedules(context.settings)
        continued = continue_waiting_runs(context)
        healed = mark_recovered_runs(context)
        update_pages(context)
        sent = send_alerts(context, send, HOUSEKEEPING)
        messages = send_messages(context, send)
    prune_noop_runs()
    prune_artifact_versions()
    recovered = sorted(before.keys() - after.keys())
    if not (ended or recovered or continued or healed or sent or messages):
        return no_op(after)
    return Completed(
        message=f"marked as Crashed: {', '.join(ended) or '-'}; available again: {', '.join(recovered) or '-'}; "
        f"{continued} waiting runs continued; recovered: {', '.join(healed) or '-'}; {sent} alerts sent, "
        f"{messages} messages to people"
    )
