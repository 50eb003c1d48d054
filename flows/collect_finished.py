"""A scheduled look at every task that lies with people: complete ones are announced, reopened ones noticed."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.prefect.batch_page import show_batch
from labelyard.prefect.dead_runs import end_dead_runs
from labelyard.prefect.endings import plain_ending
from labelyard.prefect.scheduled import forget_uneventful, nothing_new, still_away
from labelyard.steps.announcing import announce
from labelyard.steps.collecting import collect
from labelyard.steps.probing import probe
from labelyard.workplace import open_workplace


@flow(name="collect-finished", flow_run_name="look at the jobs", persist_result=False)
@plain_ending
def collect_finished() -> State:
    """Ask CVAT how far the jobs are; announce the batches whose jobs are all completed."""
    with open_workplace() as place:
        end_dead_runs(place)
        away = probe(place)
        found = collect(place)
        announce(place)
        for batch in found.changed:
            show_batch(place, batch)
    forget_uneventful()
    if found.failed:
        return Failed(message="\n".join(found.failed.values()))
    if not found.changed:
        return still_away(away) if away else nothing_new()
    return Completed(
        message=f"completed: {', '.join(found.completed) or '-'}; reopened: {', '.join(found.reopened) or '-'}; "
        f"pages drawn anew: {', '.join(found.changed)}"
    )
