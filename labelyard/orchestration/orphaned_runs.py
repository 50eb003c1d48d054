"""Runs whose process died without a final state, found by missing heartbeats.

An automation of Prefect does the same (deployments/set_up.py), but only for runs that sent a heartbeat since the
server's start. A run whose worker and server died together would stay Running for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.states import Crashed

from labelyard.context import Context
from labelyard.ledger import leases
from labelyard.orchestration import missed_heartbeats
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.events_with_client import read_events

_log = logging.getLogger(__name__)
_RUN = "prefect.flow-run."
_HEARTBEAT = f"{_RUN}heartbeat"
_ACTIVE = FlowRunFilter(
    tags=FlowRunFilterTags(all_=["labelyard"]),
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    ),
)


def mark_orphaned_runs_crashed(context: Context) -> list[str]:
    """Mark as Crashed every run without a heartbeat for `heartbeat_timeout_seconds` and without a lease of its batch.

    Return the names of these runs.
    """
    timeout = timedelta(seconds=context.settings.deploy.heartbeat_timeout_seconds)
    since = datetime.now(UTC) - timeout
    old, alive = list[FlowRun](), set[UUID]()
    with best_effort("reading the active runs"), get_client(sync_client=True) as client:
        runs = started_before(client.read_flow_runs(flow_run_filter=_ACTIVE), since)
        old, alive = runs, with_heartbeat(client, runs, since)  # together: without heartbeats every run looks orphaned
    with context.ledger.read_only() as tx:
        leased = leases.held(tx, [batch_of(run) for run in old])
    return [run.name for run in orphaned(old, alive, leased) if _end(run, timeout)]


def started_before(runs: Sequence[FlowRun], moment: datetime) -> list[FlowRun]:
    """Return the runs that entered their current state before `moment`."""
    return [run for run in runs if run.state is not None and run.state.timestamp < moment]


def with_heartbeat(client: SyncPrefectClient, runs: Sequence[FlowRun], since: datetime) -> set[UUID]:
    """Return the ids of the runs that sent a heartbeat since then."""
    if not runs:
        return set()
    wanted = EventFilter(
        occurred=EventOccurredFilter(since=since),
        event=EventNameFilter(name=[_HEARTBEAT]),
        resource=EventResourceFilter(id=[f"{_RUN}{run.id}" for run in runs], distinct=True),
    )
    return {UUID(event.resource.id.removeprefix(_RUN)) for event in read_events(client, wanted)}


def batch_of(run: FlowRun) -> str:
    """Return the batch that a run works on, or "" for a run without the parameter `batch`."""
    return str(run.parameters.get("batch", ""))


def orphaned(runs: Sequence[FlowRun], alive: Collection[UUID], leased: Collection[str]) -> list[FlowRun]:
    """Return the runs without a heartbeat and without a lease: a live run extends the lease of its batch."""
    return [run for run in runs if run.id not in alive and batch_of(run) not in leased]


def _end(run: FlowRun, timeout: timedelta) -> bool:
    with best_effort(f"marking the run {run.name} as Crashed"), get_client(sync_client=True) as client:
        current = client.read_flow_run(run.id).state
        if current is None or run.state is None or current.id != run.state.id:
            return False  # it changed its state meanwhile
        client.set_flow_run_state(run.id, Crashed(message=missed_heartbeats(timeout)))
        _log.warning("run %s (%s) is marked as Crashed: no heartbeat for %s", run.name, run.id, timeout)
        return True
    return False
