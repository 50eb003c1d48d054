"""The flow with which a person pauses a dataset, or lets it continue."""

from contextlib import suppress

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.errors import PrefectUnreachable
from labelyard.markdown import code
from labelyard.operations import manual
from labelyard.orchestration.current_run import tag_run
from labelyard.orchestration.decision_artifact import publish_decision
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.orchestration.parameters import DatasetDecision, DatasetName
from labelyard.orchestration.states import report_failures
from labelyard.pipeline.publish_events import publish_events


@flow(name="pause-dataset", flow_run_name="{decision} {dataset}", persist_result=False)
@report_failures
def pause_dataset(dataset: DatasetName, why: str = "", decision: DatasetDecision = DatasetDecision.PAUSE) -> State:
    """Start no new run of a dataset until it is resumed; files are still registered, and running work finishes.

    Args:
        dataset: The name of the dataset, as its file and `labelyard status` have it.
        why: The reason, for everybody who asks.
        decision: pause starts no new run, resume continues with all that waits.
    """
    tag_run(dataset)
    with open_context() as context:
        if decision is DatasetDecision.PAUSE:
            manual.pause(context, dataset, why)
            done, next_step = f"{dataset} is paused", "start this deployment with `resume` to continue"
        else:
            waiting = manual.resume(context, dataset)
            done, next_step = f"{dataset} continues", f"nothing: {waiting} batches waited and are sent now"
            with suppress(PrefectUnreachable):  # the watcher publishes them then
                publish_events(context, PrefectEvents(context.settings))
        details = [f"why: {code(why)}"] if why else []
        publish_decision(context, f"pause-{dataset}", done, next_step=next_step, details=details)
    return Completed(name="Paused" if decision is DatasetDecision.PAUSE else "Resumed", message=f"{done}: {next_step}")
