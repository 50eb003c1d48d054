"""Runs that wait for a server: they become Scheduled, which Prefect shows in yellow, and continue when they are due.

     Running ──the server is away──▶ Scheduled "Waiting for CVAT" ──due, or the server is back──▶ Running ──▶ Completed

So a batch keeps one run however often it is tried, and a failure that heals is never red. What a run does is decided by
the ledger, as always: one that is due too early, or whose batch has got another run meanwhile, ends without any work.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, Pause
from prefect.states import Completed, Scheduled

from labelyard.context import Context
from labelyard.ledger import batches
from labelyard.orchestration import MOST_AT_ONCE, SERVER_UNAVAILABLE, TRIED_AGAIN
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.orphaned_runs import batch_of

_WAITING_FOR_A_SERVER = FlowRunFilter(
    tags=FlowRunFilterTags(all_=["labelyard"]),
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]),
        name=FlowRunFilterStateName(any_=[SERVER_UNAVAILABLE]),
    ),
)


def wait_until(due: datetime, name: str, message: str) -> State[Any]:
    """Let the current run leave its process and continue at `due`. Raises Pause, with which a run leaves its process.

    Without a run, or where Prefect refuses, return a completed state with the same words: the batch's event is
    published again when it is due.
    """
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        waiting: State[Any] = Scheduled(scheduled_time=max(due, datetime.now(UTC)), name=name, message=message)
        with best_effort("letting the run wait"), get_client(sync_client=True) as client:
            if client.set_flow_run_state(context.flow_run.id, waiting).status is SetStateStatus.ACCEPT:
                raise Pause(message, state=waiting)
    return Completed(name=name, message=message)


def continue_waiting_runs(context: Context) -> int:
    """Let the runs that wait for servers which answer again continue now; return how many."""
    with best_effort("continuing waiting runs"), get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=_WAITING_FOR_A_SERVER, limit=MOST_AT_ONCE)
        with context.ledger.read_only() as tx:
            ready = batches.startable(tx, [batch_of(run) for run in runs])
        return sum(_continue(client, run) for run in runs if batch_of(run) in ready)
    return 0


def _continue(client: SyncPrefectClient, run: FlowRun) -> bool:
    state: State[Any] = Scheduled(name=TRIED_AGAIN, message="The server answers again.")
    try:
        if client.read_flow_run(run.id).state_id != run.state_id:
            return False  # it has become due and started meanwhile
        return client.set_flow_run_state(run.id, state).status is SetStateStatus.ACCEPT
    except ObjectNotFound:  # a person has deleted it
        return False
