"""Create what the deployments of prefect.yaml need: the work pool, its queues with their limits, the types of blocks.

Run by `labelyard deploy`, or as `python deployments/set_up.py`. Changes nothing that exists and is right.
"""

from collections.abc import Iterable
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.events.actions import RunDeployment
from prefect.exceptions import ObjectNotFound
from prefect.workers.base import BaseWorker

from labelyard.orchestration import WATCHES_HOUSEKEEPING
from labelyard.orchestration.block_types import register_block_types
from labelyard.orchestration.fast_worker import is_supported
from labelyard.orchestration.pull import find_project
from labelyard.settings import load_settings


def set_up() -> None:
    """Create or update the work pool, its queues and the types of blocks; delete automations without a deployment."""
    settings = load_settings().deploy
    batches, exports = settings.at_once()  # `labelyard deploy` has set both, for the workers that run
    with get_client(sync_client=True) as client:
        create_pool(client, settings.pool)
        create_queue(client, settings.pool, "default", settings.runs_at_once)
        create_queue(client, settings.pool, "ingest", batches)
        create_queue(client, settings.pool, "export", exports)
        create_queue(client, settings.pool, "housekeeping", None)
        delete_outdated_automations(client)
    register_block_types()


def create_pool(client: SyncPrefectClient, name: str) -> None:
    """Create the work pool, without a concurrency limit. An existing pool keeps its type and loses its limit.

    Orphaned runs count in the limits of pools and queues until housekeeping ends them. With a limit of the pool, they
    could occupy all of it, and housekeeping would never start. So the queues have limits, and housekeeping's has none.
    """
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        worker = worker_class()
        template = worker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=name, type=worker.type, base_job_template=template))
    else:
        if pool.concurrency_limit is not None:
            client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=None))


def worker_class() -> type[BaseWorker[Any, Any, Any]]:
    """Return the class of the workers: the fast worker, or the process worker where it is not supported."""
    if is_supported():
        from labelyard.orchestration.fast_worker.worker import LabelyardWorker  # noqa: PLC0415 - needs one Prefect

        return LabelyardWorker
    from labelyard.orchestration.process_worker import LabelyardProcessWorker  # noqa: PLC0415 - only where it is needed

    return LabelyardProcessWorker


def create_queue(client: SyncPrefectClient, pool: str, name: str, limit: int | None) -> None:
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


def delete_outdated_automations(client: SyncPrefectClient) -> None:
    """Delete labelyard's automations that prefect.yaml does not name, or whose deployment was deleted.

    A deploy creates the latter again. An earlier labelyard had an automation that ended orphaned runs.
    """
    config = yaml.safe_load((find_project() / "prefect.yaml").read_text(encoding="utf-8"))
    wanted = {trigger["name"] for one in config["deployments"] for trigger in one.get("triggers", [])}
    wanted.add(WATCHES_HOUSEKEEPING)
    for automation in client.read_automations():
        outdated = automation.name not in wanted or _lacks_deployment(client, automation.actions)
        if automation.name.startswith("labelyard") and outdated:
            client.delete_automation(automation.id)


def _lacks_deployment(client: SyncPrefectClient, actions: Iterable[object]) -> bool:
    try:
        for action in actions:
            if isinstance(action, RunDeployment) and action.deployment_id is not None:
                client.read_deployment(action.deployment_id)
    except ObjectNotFound:
        return True
    return False


if __name__ == "__main__":
    set_up()
