"""What keeps scheduled runs from filling the UI: those that found nothing say so, and the next one deletes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.objects import State
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext
from prefect.states import Completed

from labelyard.operations.status import unavailable_servers
from labelyard.orchestration.artifacts import best_effort

_NOTHING_NEW = "Nothing new"
_AWAY = "A server is away"
_AT_ONCE = 50


def nothing_new() -> State[Any]:
    """The end of a scheduled run that found nothing to do."""
    return Completed(name=_NOTHING_NEW, message="")


def still_away(away: Mapping[str, str]) -> State[Any]:
    """The end of a scheduled run that found nothing to do but that some server is still away."""
    return Completed(name=_AWAY, message="\n".join([*unavailable_servers(away), "  next: labelyard doctor"]))


def prune_noop_runs() -> None:
    """Delete the deployment's runs that found nothing, or came while another was at it, but for the newest.

    That one shows that somebody looks.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.deployment_id is None:
        return
    uneventful = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[context.flow_run.deployment_id]),
        state=FlowRunFilterState(name=FlowRunFilterStateName(any_=[_NOTHING_NEW, _AWAY, "Cancelled"])),
    )
    with best_effort("deleting uneventful runs"), get_client(sync_client=True) as client:
        for run in client.read_flow_runs(
            flow_run_filter=uneventful, sort=FlowRunSort.END_TIME_DESC, limit=_AT_ONCE, offset=1
        ):
            client.delete_flow_run(run.id)
