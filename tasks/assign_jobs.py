"""assign_jobs as a Prefect task: the name of its run, the batch's page, and an event in the feed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelyard.prefect.batch_page import show_batch
from labelyard.prefect.pages import event
from labelyard.steps import assign_jobs as step
from labelyard.steps.assign_jobs import Assigned
from labelyard.steps.claiming import Work


@task(name="assign_jobs", task_run_name="assign {work.batch_id}", cache_policy=NO_CACHE, persist_result=False)
def assign_jobs(work: Work) -> Assigned:
    """Give every job of the task to somebody."""
    assigned = step.assign_jobs(work)
    event(
        "jobs.assigned", work.batch_id, work.spec.name, jobs={str(job.job_id): job.annotator for job in assigned.jobs}
    )
    show_batch(work.place, work.batch_id)
    return assigned
