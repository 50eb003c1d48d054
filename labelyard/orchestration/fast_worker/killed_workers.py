"""Runs of killed workers on this machine: known at once by the process id, long before a missed heartbeat."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType

_ACTIVE = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


def process_id() -> str:
    """Return the id of this process in Prefect, HOST:PID."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def runs_of_killed_workers(client: PrefectClient, pool: str) -> list[FlowRun]:
    """Return the pool's active runs whose process ran on this machine and no longer exists.

    To be called before this worker starts a run. A process id that is in use again is not recognised: such a run ends
    by its missed heartbeats.
    """
    active = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ACTIVE)))
    of_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    found = await client.read_flow_runs(flow_run_filter=active, work_pool_filter=of_pool)
    return [run for run in found if run.infrastructure_pid and _is_dead(run.infrastructure_pid)]


def _is_dead(process: str) -> bool:
    host, _, number = process.rpartition(":")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    if int(number) == os.getpid():
        return True  # an earlier worker in the same container: all of them have the id 1
    with suppress(PermissionError):
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return True
    return False
