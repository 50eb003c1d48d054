"""The flow that ingests a dataset: by its schedule, or when a person starts it."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.context import open_context
from labelyard.domain.causes import counted
from labelyard.operations.probe_servers import unavailable
from labelyard.orchestration.current_run import newer_run_of_schedule, tag_run
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.orchestration.parameters import DatasetName
from labelyard.orchestration.states import caught_up, no_op, report_failures, tried_again
from labelyard.pipeline.sweep import ingest_dataset as ingest


@flow(name="ingest-dataset", flow_run_name="ingest {dataset}", persist_result=False)
@report_failures
def ingest_dataset(dataset: DatasetName) -> State:
    """Send everything that has arrived for a dataset to CVAT now, without waiting for its batches to be full.

    Its sources are listed first, so that files without a notification are in it. While object storage is unavailable
    the run waits, and nothing is closed.

    Args:
        dataset: The name of the dataset, as its file and `labelyard status` have it.
    """
    if newer := newer_run_of_schedule():
        return caught_up(newer)
    tag_run(dataset)
    with open_context() as context:
        ingested = ingest(context, PrefectEvents(context.settings), dataset)
        failing = unavailable(context)
    batches = [f"{batch} ({counted(files, 'file', 'files')})" for batch, files in ingested.batches.items()]
    sent = f"{'closed' if ingested.is_paused else 'sent'} {', '.join(batches) or 'nothing'}"
    done = f"registered {counted(ingested.new, 'file', 'files')}; {sent}"
    if ingested.needs_person:
        return Failed(message="\n".join([*ingested.needs_person, done]))
    if not ingested.new and not ingested.batches:
        return tried_again(ingested.failed) if ingested.failed else no_op(failing)
    if ingested.is_paused:
        done += f"; {dataset} is paused\n  next: labelyard resume {dataset}, or the deployment pause-dataset"
    return Completed(name="Paused" if ingested.is_paused else "Sent", message="\n".join([done, *ingested.failed]))
