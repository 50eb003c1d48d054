"""Runs whose process died without a final state, found by missing heartbeats.

No automation of Prefect does this. A proactive trigger ("after a heartbeat, expect any event") counts events in the
order of their arrival: the first heartbeat of a run of a tenth of a second arrives after its final state, and the
trigger then waits for an event that never comes. It acts without a look at the run, so it marked runs that had been
completed or deleted, and each failure to do so became a failed action.

Here the state of each run is read immediately before it is changed, and a run that has ended or is deleted is left as
it is. Housekeeping calls this; its work queue has no limit, so that orphaned runs cannot keep it from starting.
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
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from labelyard.context import Context
from labelyard.ledger import leases
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
        if not _is_unchanged(client, run):
            return False
        client.set_flow_run_state(run.id, Crashed(message=f"Missed heartbeats for {timeout.total_seconds():.0f} s."))
        _log.warning("run %s (%s) is marked as Crashed: no heartbeat for %s", run.name, run.id, timeout)
        return True
    return False


def _is_unchanged(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Return whether a run still exists, in the state in which it was read."""
    try:
        current = client.read_flow_run(run.id).state
    except ObjectNotFound:
        return False
    return current is not None and run.state is not None and current.id == run.state.id
