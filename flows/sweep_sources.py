"""A scheduled look at the sources: lands what no event told of, and announces what nobody has taken."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.prefect.dead_runs import end_dead_runs
from labelyard.prefect.endings import plain_ending
from labelyard.prefect.scheduled import forget_uneventful, nothing_new, still_away
from labelyard.steps.announcing import announce, announce_again
from labelyard.steps.closing import close_due
from labelyard.steps.landing import sweep
from labelyard.steps.probing import probe
from labelyard.workplace import open_workplace


@flow(name="sweep-sources", flow_run_name="list the sources", persist_result=False)
@plain_ending
def sweep_sources() -> State:
    """List every source, land what the ledger lacks, close what is due, announce again what waits unclaimed."""
    with open_workplace() as place:
        end_dead_runs(place)
        away = probe(place)
        announce_again(place)
        sent = announce(place)  # before the listing, which may take minutes
        swept = sweep(place)
        close_due(place)
        sent += announce(place)
    forget_uneventful()
    if swept.failed:
        return Failed(message="\n".join(swept.failed))
    new = {name: count.new for name, count in swept.landed.items() if count.new}
    if not new and not sent:
        return still_away(away) if away else nothing_new()
    return Completed(message=f"landed {new or 'nothing'}; {sent} batches announced")
