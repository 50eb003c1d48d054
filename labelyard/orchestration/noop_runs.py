"""Scheduled runs that changed nothing. Pruned, so that they do not fill Prefect's UI and database."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from labelyard.orchestration import NOTHING_NEW, SERVER_UNAVAILABLE
from labelyard.orchestration.best_effort import best_effort

_MOST_AT_ONCE = 200  # Prefect's maximum
_SCHEDULED = DeploymentFilter(tags=DeploymentFilterTags(all_=["labelyard", "scheduled"]))
_NO_OP = FlowRunFilterState(
    # A run is cancelled when it is due while enough others of its deployment run.
    name=FlowRunFilterStateName(any_=[NOTHING_NEW, SERVER_UNAVAILABLE, "Cancelled"])
)


def prune_noop_runs() -> None:
    """Delete the no-op runs of every scheduled deployment except the newest, which shows that the schedule works."""
    with best_effort("pruning no-op runs"), get_client(sync_client=True) as client:
        for deployment in client.read_deployments(deployment_filter=_SCHEDULED):
            _prune(client, deployment.id)


def _prune(client: SyncPrefectClient, deployment_id: UUID) -> None:
    wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]), state=_NO_OP)
    # offset=1: the newest stays, so that the UI shows when the deployment last ran.
    for run in client.read_flow_runs(
        flow_run_filter=wanted, sort=FlowRunSort.END_TIME_DESC, limit=_MOST_AT_ONCE, offset=1
    ):
        with suppress(ObjectNotFound):  # another housekeeping run has deleted it
            client.delete_flow_run(run.id)
