"""Scheduled runs that changed nothing. They are pruned, so that they do not fill Prefect's UI and database."""

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
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from labelyard.orchestration import CAUGHT_UP, MOST_AT_ONCE, NOTHING_NEW, SERVER_UNAVAILABLE, TRIED_AGAIN
from labelyard.orchestration.best_effort import best_effort

_LABELYARD = DeploymentFilter(tags=DeploymentFilterTags(all_=["labelyard"]))
_NO_OP = [NOTHING_NEW, SERVER_UNAVAILABLE, TRIED_AGAIN, CAUGHT_UP]
_NO_OP_IF_SCHEDULED = [*_NO_OP, "Cancelled"]
"""A scheduled run is cancelled when it is due while enough others of its deployment run; others by a person."""
_ENDED = FlowRunFilterStateType(any_=[StateType.COMPLETED, StateType.CANCELLED])
"""A run of a batch that waits for a server has the same name, and is Scheduled."""


def prune_noop_runs() -> None:
    """Delete the no-op runs of every deployment except the newest, which shows that the deployment works."""
    with best_effort("pruning no-op runs"), get_client(sync_client=True) as client:
        for deployment in client.read_deployments(deployment_filter=_LABELYARD):
            _prune(client, deployment.id, _NO_OP_IF_SCHEDULED if "scheduled" in deployment.tags else _NO_OP)


def _prune(client: SyncPrefectClient, deployment_id: UUID, states: list[str]) -> None:
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
        state=FlowRunFilterState(type=_ENDED, name=FlowRunFilterStateName(any_=states)),
    )
    # offset=1: the newest stays, so that the UI shows when the deployment last ran.
    for run in client.read_flow_runs(
        flow_run_filter=wanted, sort=FlowRunSort.END_TIME_DESC, limit=MOST_AT_ONCE, offset=1
    ):
        with suppress(ObjectNotFound):  # another housekeeping run has deleted it
            client.delete_flow_run(run.id)
