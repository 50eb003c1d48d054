"""Runs whose worker and server died together: no heartbeat follows that the server's automation could miss.

They would stay Running for ever, and a lead would wait for them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.states import Crashed

from labelyard.ledger import claims
from labelyard.prefect.pages import only_a_picture
from labelyard.workplace import Workplace

_log = logging.getLogger(__name__)
_AT_WORK = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING]))
_OF_A_BATCH = FlowRunFilter(tags=FlowRunFilterTags(any_=["ingest", "export"]), state=_AT_WORK)


def end_dead_runs(place: Workplace) -> None:
    """Call crashed what has been at work for longer than the silence allowed, and cannot live.

    That is a run of a batch that nobody holds, and any other run of the scheduled deployment whose run this is: a look
    takes far less than the silence. One that takes longer is called crashed in Prefect's picture, and works on.
    """
    context = FlowRunContext.get()
    silence = timedelta(seconds=place.settings.deploy.silence_seconds)
    with only_a_picture(), get_client(sync_client=True) as client:
        quiet = silent(client.read_flow_runs(flow_run_filter=_OF_A_BATCH), silence)
        with place.ledger.read() as session:
            held = claims.held(place.ledger, session, [batch_of(run) for run in quiet])
        dead = unheld(quiet, held)
        if context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None:
            twins = FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[context.flow_run.deployment_id]), state=_AT_WORK
            )
            others = silent(client.read_flow_runs(flow_run_filter=twins), silence)
            dead += [run for run in others if run.id != context.flow_run.id]
        for run in dead:
            _end(client, run, silence)


def silent(runs: Sequence[FlowRun], silence: timedelta, now: datetime | None = None) -> list[FlowRun]:
    """Those that began longer ago."""
    since = (now or datetime.now(UTC)) - silence
    return [run for run in runs if run.state is not None and run.state.timestamp < since]


def batch_of(run: FlowRun) -> str:
    """The batch that a run is for."""
    return str(run.parameters.get("batch", ""))


def unheld(runs: Sequence[FlowRun], held: Collection[str]) -> list[FlowRun]:
    """Those whose batch nobody has: a run that lives extends its lease."""
    return [run for run in runs if batch_of(run) not in held]


def _end(client: SyncPrefectClient, run: FlowRun, silence: timedelta) -> None:
    seen = client.read_flow_run(run.id).state
    if seen is None or run.state is None or seen.id != run.state.id:
        return  # it has moved on while we looked
    client.set_flow_run_state(run.id, Crashed(message=f"No sign of life for {silence.total_seconds():.0f} s."))
    _log.warning("run %s (%s) is called crashed: it gave no sign of life", run.name, run.id)
