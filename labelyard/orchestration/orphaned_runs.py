"""Runs whose worker and server died together: no heartbeat follows that the server's automation could miss.

They would stay Running for ever, and a lead would wait for them.
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
from labelyard.orchestration.artifacts import best_effort
from labelyard.orchestration.events import read_events

_log = logging.getLogger(__name__)
_RUN = "prefect.flow-run."
_HEARTBEAT = f"{_RUN}heartbeat"
_OURS_AT_WORK = FlowRunFilter(
    tags=FlowRunFilterTags(all_=["labelyard"]),
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    ),
)


def end_orphaned_runs(context: Context) -> None:
    """Call crashed what has given no sign of life for as long as the silence allowed, and whose batch nobody holds."""
    silence = timedelta(seconds=context.settings.deploy.heartbeat_timeout_seconds)
    since = datetime.now(UTC) - silence
    quiet, beating = list[FlowRun](), set[UUID]()
    with best_effort("looking for dead runs"), get_client(sync_client=True) as client:
        runs = begun_before(client.read_flow_runs(flow_run_filter=_OURS_AT_WORK), since)
        quiet, beating = runs, heard_of(client, runs, since)  # both or none: a run is not dead for want of an answer
    with context.ledger.read_only() as tx:
        held = leases.held(tx, [batch_of(run) for run in quiet])
    for run in dead(quiet, beating, held):
        with best_effort(f"ending the dead run {run.name}"), get_client(sync_client=True) as client:
            _end(client, run, silence)


def begun_before(runs: Sequence[FlowRun], moment: datetime) -> list[FlowRun]:
    """Those that came into their state before then."""
    return [run for run in runs if run.state is not None and run.state.timestamp < moment]


def heard_of(client: SyncPrefectClient, runs: Sequence[FlowRun], since: datetime) -> set[UUID]:
    """The ids of those that sent a heartbeat since then."""
    if not runs:
        return set()
    wanted = EventFilter(
        occurred=EventOccurredFilter(since=since),
        event=EventNameFilter(name=[_HEARTBEAT]),
        resource=EventResourceFilter(id=[f"{_RUN}{run.id}" for run in runs], distinct=True),
    )
    return {UUID(event.resource.id.removeprefix(_RUN)) for event in read_events(client, wanted)}


def batch_of(run: FlowRun) -> str:
    """The batch that a run is for; empty where it is for none."""
    return str(run.parameters.get("batch", ""))


def dead(quiet: Sequence[FlowRun], beating: Collection[UUID], held: Collection[str]) -> list[FlowRun]:
    """Those without a heartbeat whose batch nobody has: a run that lives extends its lease."""
    return [run for run in quiet if run.id not in beating and batch_of(run) not in held]


def _end(client: SyncPrefectClient, run: FlowRun, silence: timedelta) -> None:
    seen = client.read_flow_run(run.id).state
    if seen is None or run.state is None or seen.id != run.state.id:
        return  # it has moved on while we looked
    client.set_flow_run_state(run.id, Crashed(message=f"No sign of life for {silence.total_seconds():.0f} s."))
    _log.warning("run %s (%s) is called crashed: it gave no sign of life", run.name, run.id)
