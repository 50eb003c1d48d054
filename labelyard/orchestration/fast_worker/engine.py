"""Prefect's flow engine, without what a worker of many runs has already or can do once for all of them.

Prefect expects one run a process: each run opens a connection to hear whether somebody suspends it, waits for that
before it begins, and makes clients of its own, each of which reads all certificates of the world anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import Flow
from prefect._flow_run_suspension import FlowRunSuspensionRequest, register_flow_run_suspension_request
from prefect.client.schemas.objects import FlowRun
from prefect.context import SyncClientContext
from prefect.flow_engine import FlowRunEngine, run_flow

_MANY = 1_000_000


class _Engine(FlowRunEngine[Any, Any]):
    """The engine of a run whose suspension somebody else hears of, for all runs: `LabelyardWorker._listen`."""

    @contextmanager
    def setup_flow_run_suspension_request(self) -> Iterator[FlowRunSuspensionRequest]:
        assert self.flow_run is not None, "the engine has the run that it was given"
        request = self._get_flow_run_suspension_request()
        with register_flow_run_suspension_request(self.flow_run.id, request):
            request.raise_if_requested()
            yield request


def run_in_this_thread(flow: Flow[..., Any], flow_run: FlowRun) -> None:
    """Run a flow to its end; raises what ends it, once Prefect knows."""
    if flow.isasync or flow.isgenerator:
        run_flow(flow, flow_run=flow_run, parameters=flow_run.parameters, return_type="state")
        return
    engine = _Engine(flow=flow, flow_run=flow_run, parameters=flow_run.parameters)
    with engine.start():
        while engine.is_running():
            with engine.run_context():
                engine.call_flow_fn()


@contextmanager
def one_client() -> Iterator[None]:
    """Inside, every run of this process speaks to Prefect by one client, with its connections kept open."""
    with SyncClientContext() as context:
        # Threads enter and leave it, and Prefect counts them without a lock: it must never come down to nobody.
        context.client._context_stack += _MANY  # noqa: SLF001
        try:
            yield
        finally:
            context.client._context_stack -= _MANY  # noqa: SLF001
