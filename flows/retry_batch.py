"""The flow with which a person tries a batch again."""

from contextlib import suppress

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.errors import PrefectUnreachable
from labelyard.operations.retry import retry
from labelyard.orchestration.current_run import tag_run
from labelyard.orchestration.decision_artifact import publish_decision
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.orchestration.parameters import BatchId
from labelyard.orchestration.states import report_failures
from labelyard.pipeline.publish_events import publish_events


@flow(name="retry-batch", flow_run_name="retry {batch}", persist_result=False)
@report_failures
def retry_batch(batch: BatchId) -> State:
    """Try a failed or waiting batch again at once, from the step that failed.

    Args:
        batch: The id of the batch, such as street-00012, as its page and `labelyard status` have it.
    """
    tag_run(batch.rpartition("-")[0])
    with open_context() as context:
        retried = retry(context.ledger, batch)
        with suppress(PrefectUnreachable):  # the watcher publishes it then
            publish_events(context, PrefectEvents(context.settings))
        publish_decision(
            context, f"retry-{batch}", f"{batch} is tried again", next_step=retried.next_event, batches=[batch]
        )
    return Completed(name="Tried again", message=f"{batch} is {retried.state}: {retried.next_event}")
