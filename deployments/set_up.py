"""Create what the deployments of prefect.yaml need: the work pool, its queue and limits, and an automation.

Run by `labelyard deploy`, or as `python deployments/set_up.py`. Changes nothing that exists and is right.
"""

from datetime import timedelta
from typing import Any

from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from prefect.workers.base import BaseWorker

from labelyard.orchestration import ORPHANED_RUNS_AUTOMATION, missed_heartbeats
from labelyard.orchestration.fast_worker import is_supported
from labelyard.settings import load_settings

_STARTING_EVENTS = {"prefect.flow-run.heartbeat", "prefect.flow-run.Pending"}
_ANY_EVENT = "prefect.flow-run.*"  # a heartbeat or a state: final states have names of our own, so none can be listed


def set_up() -> None:
    """Create or update the work pool, its queue and the automation; delete automations without a deployment."""
    settings = load_settings().deploy
    with get_client(sync_client=True) as client:
        create_pool(client, settings.pool, settings.runs_at_once)
        create_queue(client, settings.pool, "ingest", settings.batches_at_once)
        create_orphaned_runs_automation(client, timedelta(seconds=settings.heartbeat_timeout_seconds))
        delete_automations_without_deployment(client)


def create_pool(client: SyncPrefectClient, name: str, limit: int) -> None:
    """Create the work pool with its concurrency limit. An existing pool keeps its type and gets the limit."""
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        worker = worker_class()
        template = worker.get_default_base_job_template()
        client.create_work_pool(
            WorkPoolCreate(name=name, type=worker.type, base_job_template=template, concurrency_limit=limit)
        )
    else:
        if pool.concurrency_limit != limit:
            client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))


def worker_class() -> type[BaseWorker[Any, Any, Any]]:
    """Return the class of the workers: the fast worker, or Prefect's process worker where it is not supported."""
    if is_supported():
        from labelyard.orchestration.fast_worker.worker import LabelyardWorker  # noqa: PLC0415 - needs one Prefect

        return LabelyardWorker
    from prefect.workers.process import ProcessWorker  # noqa: PLC0415 - only where it is needed

    return ProcessWorker


def create_queue(client: SyncPrefectClient, pool: str, name: str, limit: int) -> None:
    """Create a queue of the pool with its concurrency limit, or give an existing one this limit.

    The queue's limit keeps a worker from fetching more runs than may start. With the deployment's limit alone, every
    waiting run would be fetched and postponed again and again.
    """
    try:
        queue = client.read_work_queue_by_name(name, work_pool_name=pool)
    except ObjectNotFound:
        queue = client.create_work_queue(name, work_pool_name=pool)
    if queue.concurrency_limit != limit:
        client.update_work_queue(queue.id, concurrency_limit=limit)


def create_orphaned_runs_automation(client: SyncPrefectClient, timeout: timedelta) -> None:
    """Create the automation that marks a run as Crashed when it has sent no event for `timeout`.

    Without it a run whose worker died with its machine would stay Running (or Pending) for ever, and keep its slot of
    the concurrency limits.
    """
    wanted = AutomationCore(
        name=ORPHANED_RUNS_AUTOMATION,
        description="Frees the run's concurrency slot. labelyard publishes the event of its batch again.",
        trigger=EventTrigger(
            after=_STARTING_EVENTS,
            expect={_ANY_EVENT},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification({"prefect.resource.id": "prefect.tag.labelyard"}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timeout,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=missed_heartbeats(timeout))],
    )
    present = client.read_automations_by_name(wanted.name)
    if len(present) == 1 and _equal(present[0], wanted):
        return
    for other in present:
        client.delete_automation(other.id)
    client.create_automation(wanted)


def delete_automations_without_deployment(client: SyncPrefectClient) -> None:
    """Delete labelyard's automations that start a deleted deployment. A deploy creates both again."""
    for automation in client.read_automations():
        if not automation.name.startswith("labelyard"):
            continue
        try:
            for action in automation.actions:
                if isinstance(action, RunDeployment) and action.deployment_id is not None:
                    client.read_deployment(action.deployment_id)
        except ObjectNotFound:
            client.delete_automation(automation.id)


def _equal(one: AutomationCore, other: AutomationCore) -> bool:
    fields = set(AutomationCore.model_fields)
    dumped = [core.model_dump(mode="json", include=fields, exclude={"trigger": {"id"}}) for core in (one, other)]
    return dumped[0] == dumped[1]


if __name__ == "__main__":
    set_up()
