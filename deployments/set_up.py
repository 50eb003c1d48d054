"""What the deployments of prefect.yaml need beside themselves: the pool, its queue, limits, and what ends dead runs.

`python deployments/set_up.py`, or as the first half of `labelyard deploy`; changes nothing that is there already and
right.
"""

from datetime import timedelta

from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from labelyard.orchestration import DEAD_RUNS
from labelyard.orchestration.fast_worker.worker import LabelyardWorker
from labelyard.settings import load_settings

_AT_WORK = {"prefect.flow-run.heartbeat", "prefect.flow-run.Pending"}
_SIGN_OF_LIFE_OR_OF_AN_END = (
    "prefect.flow-run.*"  # an end is an event of its state's name, and ours have names of their own
)


def set_up() -> None:
    """Make the pool and the automation where they are missing or differ; drop automations that can only fail."""
    settings = load_settings().deploy
    with get_client(sync_client=True) as client:
        make_pool(client, settings.pool, settings.runs_at_once)
        make_queue(client, settings.pool, "ingest", settings.batches_at_once)
        make_automation(client, timedelta(seconds=settings.heartbeat_timeout_seconds))
        drop_orphans(client)


def make_pool(client: SyncPrefectClient, name: str, limit: int) -> None:
    """Make the work pool with its limit; one that is there already keeps its type, and gets the limit."""
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        template = LabelyardWorker.get_default_base_job_template()
        made = WorkPoolCreate(name=name, type=LabelyardWorker.type, base_job_template=template, concurrency_limit=limit)
        client.create_work_pool(made)
    else:
        if pool.concurrency_limit != limit:
            client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))


def make_queue(client: SyncPrefectClient, pool: str, name: str, limit: int) -> None:
    """Make a queue of the pool with its limit, or give it the limit: a worker is told of no more runs than may begin.

    The limit of a deployment alone would have every waiting run tried, refused and put off again and again.
    """
    try:
        queue = client.read_work_queue_by_name(name, work_pool_name=pool)
    except ObjectNotFound:
        queue = client.create_work_queue(name, work_pool_name=pool)
    if queue.concurrency_limit != limit:
        client.update_work_queue(queue.id, concurrency_limit=limit)


def make_automation(client: SyncPrefectClient, silence: timedelta) -> None:
    """Make the automation that calls a run crashed when it gives no sign of life for so long.

    A run whose worker died with its machine stays Running (or Pending) for ever otherwise, and holds its place in the
    limits.
    """
    wanted = AutomationCore(
        name=DEAD_RUNS,
        description="Its batch is announced again; this only frees its place and tells the truth.",
        trigger=EventTrigger(
            after=_AT_WORK,
            expect={_SIGN_OF_LIFE_OR_OF_AN_END},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification({"prefect.resource.id": "prefect.tag.labelyard"}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"No sign of life for {silence.seconds} s.")],
    )
    present = client.read_automations_by_name(wanted.name)
    if len(present) == 1 and _same(present[0], wanted):
        return
    for other in present:
        client.delete_automation(other.id)
    client.create_automation(wanted)


def drop_orphans(client: SyncPrefectClient) -> None:
    """Delete automations of ours whose deployment was deleted: the next deploy makes both, and these only fail."""
    for automation in client.read_automations():
        if not automation.name.startswith("labelyard"):
            continue
        try:
            for action in automation.actions:
                if isinstance(action, RunDeployment) and action.deployment_id is not None:
                    client.read_deployment(action.deployment_id)
        except ObjectNotFound:
            client.delete_automation(automation.id)


def _same(one: AutomationCore, other: AutomationCore) -> bool:
    fields = set(AutomationCore.model_fields)
    said = [core.model_dump(mode="json", include=fields, exclude={"trigger": {"id"}}) for core in (one, other)]
    return said[0] == said[1]


if __name__ == "__main__":
    set_up()
