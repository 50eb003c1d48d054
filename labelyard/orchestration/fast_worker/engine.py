"""Prefect's flow engine for many runs in one process.

Prefect expects one run per process. Each run opens a websocket to receive its suspension, waits for the connection
before it starts, and creates HTTP clients of its own, each of which loads all certificates. Here the worker listens for
all runs, and all runs share one client. A state that nobody sees, because the next one follows at once, is not
reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prefect import Flow, State, task_engine
from prefect._flow_run_suspension import FlowRunSuspensionRequest, register_flow_run_suspension_request
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.context import SyncClientContext
from prefect.events import Event
from prefect.flow_engine import FlowRunEngine, run_flow
from prefect.states import AwaitingRetry
from prefect.utilities.engine import emit_task_run_state_change_event

from labelyard.errors import WorkerStopped
from labelyard.orchestration.worker_failures import until_available

_NEVER_ZERO = 1_000_000


def given_back() -> State[Any]:
    """Return the state of a run whose worker stops: another worker continues it.

    It is the state that Prefect's own worker proposes on SIGTERM. Crashed would be red, and no person has to act.
    """
    return AwaitingRetry(
        message="The worker was stopped. The batch is released, and the next worker continues the run."
    )


class _Engine(FlowRunEngine[Any, Any]):
    """The engine of a run that does not listen for its own suspension: `LabelyardWorker._listen` does.

    It sends no heartbeat at the start of a run, which is when the state Running says the same: most runs end before the
    next one, and each event costs the server some hundredths of a second.
    """

    _has_begun = False

    def handle_crash(self, exc: BaseException) -> None:
        """Give the run back if its worker stops, else end it as crashed."""
        if not isinstance(exc, WorkerStopped):
            super().handle_crash(exc)
            return
        self.logger.info("The worker stops; the run waits for another one.")
        self.set_state(given_back(), force=True)  # forced, as a crash: this run has no retries
        self._raised = exc  # type: ignore[assignment] # as Prefect does for a crash

    def _emit_flow_run_heartbeat(self, *args: Any, **kwargs: Any) -> None:
        if self._has_begun:
            super()._emit_flow_run_heartbeat(*args, **kwargs)
        self._has_begun = True

    @contextmanager
    def setup_flow_run_suspension_request(self) -> Iterator[FlowRunSuspensionRequest]:
        assert self.flow_run is not None, "the engine is created with a run"
        request = self._get_flow_run_suspension_request()
        with register_flow_run_suspension_request(self.flow_run.id, request):
            request.raise_if_requested()
            yield request


def skip_pending_of_tasks() -> None:
    """Let the runs of Prefect tasks begin with the state Running.

    Prefect reports that each is Pending some milliseconds before. The server would store and handle an event for each.
    """
    task_engine.emit_task_run_state_change_event = _emit_unless_first  # type: ignore[attr-defined]


def _emit_unless_first(
    task_run: TaskRun, initial_state: State[Any] | None, validated_state: State[Any], follows: Event | None = None
) -> Event | None:
    if initial_state is None:
        return None
    return emit_task_run_state_change_event(task_run, initial_state, validated_state, follows)


def run_in_this_thread(flow: Flow[..., Any], flow_run: FlowRun) -> None:
    """Run a flow to its end. Raises the flow's exception after its final state was reported to Prefect."""
    if flow.isasync or flow.isgenerator:
        run_flow(flow, flow_run=flow_run, parameters=flow_run.parameters, return_type="state")
        return
    engine = _Engine(flow=flow, flow_run=flow_run, parameters=flow_run.parameters)
    with engine.start():
        while engine.is_running():
            with engine.run_context():
                engine.call_flow_fn()


async def until_server_answers(attempted: Callable[[], None]) -> None:
    """Wait until Prefect's server answers, and call `attempted` before each attempt: `shared_client` needs an answer.

    Raises httpx.HTTPStatusError if the server refuses the request, as it does for a wrong login.
    """

    async def ask() -> None:
        attempted()
        async with get_client() as client:
            await client.api_version()

    await until_available("waiting for Prefect's server", ask)


@contextmanager
def shared_client() -> Iterator[None]:
    """Make all runs of this process use one client of Prefect's API, with its connections kept open."""
    with SyncClientContext() as context:
        # Prefect counts the threads that use the client, without a lock, and closes it when the count reaches zero.
        context.client._context_stack += _NEVER_ZERO  # noqa: SLF001
        try:
            yield
        finally:
            context.client._context_stack -= _NEVER_ZERO  # noqa: SLF001
