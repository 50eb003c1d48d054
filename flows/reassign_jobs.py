"""The flow with which a person gives somebody's open jobs to others."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from labelyard.context import open_context
from labelyard.markdown import code
from labelyard.operations.reassign import reassign
from labelyard.orchestration.current_run import tag_run
from labelyard.orchestration.decision_artifact import publish_decision
from labelyard.orchestration.parameters import DatasetName, UserName
from labelyard.orchestration.states import report_failures


@flow(name="reassign-jobs", flow_run_name="reassign the jobs of {person}", persist_result=False)
@report_failures
def reassign_jobs(person: UserName, to: UserName | None = None, dataset: DatasetName | None = None) -> State:
    """Give the unfinished jobs, reviews, ground truth and replicas of a person to others. What was drawn stays.

    Args:
        person: The CVAT user name of the person who has the jobs.
        to: The CVAT user name of the person who gets them; empty for the other annotators in turn.
        dataset: Only the jobs of this dataset; empty for all.
    """
    if dataset:
        tag_run(dataset)
    with open_context() as context:
        reassignment = reassign(context, person, to, dataset)
        jobs = [(one.batch_id, job) for one in reassignment.done for job in one.jobs]
        moved = [f"{code(batch)}: job {job.job_id} to {code(job.annotator)}: {job.reason}" for batch, job in jobs]
        stays = [(one.batch_id, each) for one in reassignment.done for each in one.kept]
        kept = [f"{code(batch)}: {code(each.what)}: {each.next_step}" for batch, each in stays]
        to_decide = dict.fromkeys(each.next_step for _, each in stays if each.is_decision)
        next_step = "; ".join(to_decide) or "nothing: the new assignees see them in CVAT"
        publish_decision(
            context, f"reassign-{person}", f"{len(jobs)} jobs have another assignee",
            next_step=next_step if reassignment.is_complete else reassignment.again,
            batches=[one.batch_id for one in reassignment.done],
            details=[*moved, *kept],
        )  # fmt: skip
    reassignment.require_complete()
    shown = ", ".join(f"job {job.job_id} of {batch} to {job.annotator}" for batch, job in jobs)
    return Completed(name="Reassigned", message=shown)
