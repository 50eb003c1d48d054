"""Runs whose process is gone: after kill -9 nobody tells Prefect, and each keeps its deployment's slot for minutes."""

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

_BEGUN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


def identity() -> str:
    """How Prefect knows this process: HOST:PID."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def runs_left_behind(client: PrefectClient, pool: str) -> list[FlowRun]:
    """What processes of this machine have begun for the pool and can no longer end; for a process that has just begun.

    A number that another process has by now is not seen: such a run waits for the heartbeats' automation.
    """
    begun = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_BEGUN)))
    of_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    found = await client.read_flow_runs(flow_run_filter=begun, work_pool_filter=of_pool)
    return [run for run in found if run.infrastructure_pid and _is_gone(run.infrastructure_pid)]


def _is_gone(whose: str) -> bool:
    host, _, number = whose.rpartition(":")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    if int(number) == os.getpid():
        return True  # in a container every worker is number 1
    with suppress(PermissionError):
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return True
    return False
