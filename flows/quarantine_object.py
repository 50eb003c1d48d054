"""The flow with which a person leaves an object out, or brings it back."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.markdown import code
from labelyard.operations import manual
from labelyard.orchestration.current_run import tag_run
from labelyard.orchestration.decision_artifact import publish_decision
from labelyard.orchestration.parameters import ObjectAddress, ObjectDecision, Reason
from labelyard.orchestration.states import report_failures


@flow(name="quarantine-object", flow_run_name="{decision} {address}", persist_result=False)
@report_failures
def quarantine_object(
    address: ObjectAddress, why: Reason, decision: ObjectDecision = ObjectDecision.QUARANTINE
) -> State:
    """Take a file out of its batch or, after its upload, out of the next export; or bring it back.

    Args:
        address: The address of the file, s3://bucket/key.
        why: The reason, for the history and for everybody who asks.
        decision: quarantine leaves it out, restore brings it back.
    """
    with open_context() as context:
        if decision is ObjectDecision.QUARANTINE:
            row = manual.quarantine(context, address, why)
            done, next_step = "The file is quarantined", "start this deployment with `restore` to bring it back"
        else:
            row = manual.restore(context, address)
            done, next_step = "The file is restored", "nothing: its batch, or the next export, has it again"
        tag_run(row.dataset)
        publish_decision(
            context, f"{decision}-{address}", done, next_step=next_step,
            batches=[row.batch_id] if row.batch_id else [], details=[code(address), f"why: {code(why)}"],
        )  # fmt: skip
    return Completed(name="Done", message=f"{address}: {done.lower()}; it belongs to {row.batch_id or 'no batch'}")
