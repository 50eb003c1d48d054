"""A worker that runs flows as threads of its own process and is notified of new runs.

Prefect's process worker needs some seconds to start a run: it polls, and starts two Python interpreters. This worker
listens to the server's events, keeps flows loaded, and reports only the two states that matter: Pending, for which the
server checks the concurrency limits, and Running. Deployments do not depend on it: a process worker may serve the same
work pool.

     Scheduled ──event or poll──▶ Pending (the server checks the limits) ──thread──▶ Running ──▶ …
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import threading
import time
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import httpx
from prefect import Flow, State
from prefect._flow_run_suspension import is_suspended_flow_run_state, mark_flow_run_suspension_requested
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.deployments.steps.core import StepExecutionError
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.logging.handlers import APILogHandler
from prefect.states import Scheduled
from prefect.workers.base import BaseWorker, BaseWorkerResult
from prefect.workers.process import ProcessJobConfiguration, ProcessVariables

from labelyard.errors import LabelyardError, OtherVersion, RunCancelled, WorkerStopped
from labelyard.orchestration import FAST_WORKER, WAITING_FOR_WORKER
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.fast_worker.engine import (
    given_back,
    run_in_this_thread,
    shared_client,
    skip_pending_of_tasks,
    until_server_answers,
)
from labelyard.orchestration.fast_worker.killed_workers import process_id, runs_of_killed_workers
from labelyard.orchestration.fast_worker.loaded_flows import LoadedFlows
from labelyard.orchestration.fast_worker.probes import serving_probes
from labelyard.orchestration.fast_worker.stopping import cancelled_by_signals
from labelyard.orchestration.fast_worker.turns import TakesTurns
from labelyard.orchestration.worker_failures import ToleratesApiFailures, until_answered

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import WorkerFlowRunResponse

_log = logging.getLogger(__name__)
_SCHEDULED = "prefect.flow-run.Scheduled"
_STOP_REQUESTS = ["prefect.flow-run.Cancelling", "prefect.flow-run.Suspended"]
_SECONDS_TO_FINISH = 4.0  # with the next two, less than the ten seconds between Docker's SIGTERM and SIGKILL
_SECONDS_TO_RELEASE = 4.0
_SECONDS_TO_REPORT = 1.5
_UNTIL_NEXT_ATTEMPT = timedelta(seconds=10)
_SECONDS_BETWEEN_CONNECTIONS = 5.0
_SECONDS_BETWEEN_STOP_CHECKS = 5.0  # for a lost event, or one that arrived before its state could be read


class LabelyardWorkerResult(BaseWorkerResult):
    """The result of a run: always status 0, because the engine reports the run's state itself."""


_Worker = BaseWorker[ProcessJobConfiguration, ProcessVariables, LabelyardWorkerResult]


class LabelyardWorker(TakesTurns, ToleratesApiFailures, _Worker):
    """Runs flows as threads of this process. Restart it after a change of the flows' code.

    It accepts the job variables of the process worker, so that both may serve one pool. Those about processes (command,
    working_dir, env) have no effect.
    """

    type = FAST_WORKER
    job_configuration = ProcessJobConfiguration
    job_configuration_variables = ProcessVariables
    _description = "Runs labelyard's flows in the worker's own process, which saves the seconds of starting one."

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        """Return the process worker's template without its default values, which the worker fills in itself.

        For each new run the server validates every default against the whole template: a twentieth of its work in a
        burst.
        """
        template = super().get_default_base_job_template()
        for variable in template["variables"]["properties"].values():
            variable.pop("default", None)
        return template

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._flows = LoadedFlows()
        self._threads: dict[UUID, threading.Thread] = {}
        self._cancelled: set[UUID] = set()
        self._new_runs, self._has_free_slot = anyio.Event(), False
        self._stop_requests = anyio.Event()

    async def start(self, *args: Any, **kwargs: Any) -> None:
        """Run flows until SIGTERM or SIGINT. Then wait for quick runs, interrupt the others, and return."""
        with cancelled_by_signals():
            try:
                await super().start(*args, **kwargs)
            except asyncio.CancelledError:
                self._logger.info("Stopped.")
            finally:
                await APILogHandler.aflush()

    async def setup(self) -> None:
        """Serve probes, wait for the server, end the runs of killed workers, and listen to the server's events."""
        self._exit_stack.enter_context(serving_probes(self, self._threads.__len__))
        await until_server_answers(self.note_attempt)
        self._exit_stack.enter_context(shared_client())
        skip_pending_of_tasks()
        await super().setup()
        assert self._runs_task_group is not None
        await self._mark_runs_of_killed_workers_crashed()
        self._runs_task_group.start_soon(self._listen)
        self._runs_task_group.start_soon(self._fetch_new_runs)
        self._runs_task_group.start_soon(self._check_stop_requests)

    async def run(
        self, flow_run: FlowRun, configuration: ProcessJobConfiguration, task_status: TaskStatus[int] | None = None
    ) -> LabelyardWorkerResult:
        """Run a flow in a thread until it ends, in whatever state."""
        del configuration
        flow = await self._flows.get(self.client, flow_run)
        if task_status is not None:
            task_status.started(os.getpid())
        await self._run_in_thread(flow, flow_run)
        return LabelyardWorkerResult(status_code=0, identifier=process_id())

    async def _submit_run(self, flow_run: FlowRun) -> None:
        # Without the state Submitting, the job configuration and the labels of Prefect's own method. Each costs a tenth
        # of a second, and they serve infrastructure that is started elsewhere.
        accepted = has_run = False
        try:
            with best_effort(f"starting the run {flow_run.name}"):
                await _wait_until_due(flow_run)
                accepted = await self._propose_pending_state(flow_run)
                if accepted:
                    has_run = await self._run_or_report(flow_run)
        finally:
            self._release_limit_slot(flow_run.id)
            self._submitting_flow_run_ids.discard(flow_run.id)
        if accepted:  # not after a rejection: the rejected run would be fetched again at once
            # Another run may wait for the slot. A worker that could not load the flow leaves it to the others.
            self._has_free_slot |= has_run
            self._new_runs.set()

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        offered = await super()._get_scheduled_flow_runs()
        return [each for each in offered if not self._flows.are_for_others(each.flow_run)]

    async def _run_or_report(self, flow_run: FlowRun) -> bool:
        """Run a flow, and return True; or report why it could not be loaded."""
        try:
            flow = await self._flows.get(self.client, flow_run)
        except OtherVersion as error:
            self._logger.warning("the run %s is left to another worker: %s", flow_run.name, error)
            await self._give_back(flow_run, _later(str(error), WAITING_FOR_WORKER))
        except httpx.HTTPError as error:  # the server, not the flow: Crashed would be red, and nobody has to act
            what = f"Prefect's server did not say what to run: {error or type(error).__name__}"
            await self._give_back(flow_run, _later(what))
        except Exception as error:  # noqa: BLE001 - a flow that cannot be loaded ends its run, not the worker
            cause = error.__cause__ if isinstance(error, StepExecutionError) and error.__cause__ else error
            traceback = None if isinstance(cause, LabelyardError) else cause
            self.get_flow_run_logger(flow_run).error("The flow could not be loaded: %s", cause, exc_info=traceback)
            await self._propose_crashed_state(
                flow_run, f"The flow could not be loaded: {type(cause).__name__}: {cause}"
            )
        else:
            await self._run_in_thread(flow, flow_run)
            return True
        return False

    async def _run_in_thread(self, flow: Flow[..., Any], flow_run: FlowRun) -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        is_unreported = False

        def work() -> None:
            nonlocal is_unreported
            try:
                run_in_this_thread(flow, flow_run)
            except httpx.HTTPError as error:
                is_unreported = True
                _log.warning("flow run %s ended because Prefect's API failed: %s", flow_run.id, error)
            except BaseException:  # noqa: BLE001 - the engine has reported it; a flow must not end the worker
                _log.debug("flow run %s ended with an exception", flow_run.id, exc_info=True)
            finally:
                loop.call_soon_threadsafe(ended.set)

        # A daemon, because a flow that cannot be interrupted must not keep a stopping worker alive.
        thread = threading.Thread(target=copy_context().run, args=(work,), name=f"run {flow_run.name}", daemon=True)
        self._threads[flow_run.id] = thread
        thread.start()
        try:
            await self._record_process(flow_run)
            await ended.wait()
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await self._stop(thread, ended)
                with anyio.move_on_after(_SECONDS_TO_REPORT):
                    if not ended.is_set():
                        # It hangs in a call that cannot be interrupted, and ends with this process.
                        await self._give_back(flow_run, given_back())
                    elif is_unreported:
                        await self._give_back_unreported(flow_run, given_back())
            raise
        finally:
            del self._threads[flow_run.id]
        if flow_run.id in self._cancelled:
            self._cancelled.discard(flow_run.id)
            message = "Cancelled. The batch is released, and its event is published again."
            await self._mark_flow_run_as_cancelled(flow_run, {"message": message})
        elif is_unreported:
            what = "Prefect's server did not accept the state of the run"
            await self._give_back_unreported(flow_run, _later(what))

    async def _record_process(self, flow_run: FlowRun) -> None:
        """Record this process in the run, which may be deleted by now; its flow runs all the same."""
        with best_effort(f"recording the process of run {flow_run.id}"):
            await self.client.update_flow_run(flow_run.id, infrastructure_pid=process_id())

    async def _stop(self, thread: threading.Thread, ended: asyncio.Event) -> None:
        """Wait for a run that is about to end; interrupt any other, so that it releases its batch."""
        with anyio.move_on_after(_SECONDS_TO_FINISH):
            await ended.wait()
        if ended.is_set():
            return
        _interrupt(thread, WorkerStopped)
        with anyio.move_on_after(_SECONDS_TO_RELEASE):
            await ended.wait()

    async def _give_back_unreported(self, flow_run: FlowRun, state: State[Any]) -> None:
        """Give a run back whose new state Prefect did not accept: nobody else would end it for minutes."""
        found = await until_answered(f"reading the run {flow_run.name}", lambda: self.client.read_flow_run(flow_run.id))
        if found is not None and found.state is not None and (found.state.is_pending() or found.state.is_running()):
            await self._give_back(flow_run, state)

    async def _give_back(self, flow_run: FlowRun, state: State[Any]) -> None:
        """Let another worker start a run, or this one later."""
        await until_answered(
            f"giving the run {flow_run.name} back",
            lambda: self.client.set_flow_run_state(flow_run.id, state, force=True),
        )

    async def _mark_runs_of_killed_workers_crashed(self) -> None:
        """Mark the runs of workers that were killed on this machine as Crashed, which frees their slots."""
        with best_effort("ending the runs of killed workers"):
            for flow_run in await runs_of_killed_workers(self.client, self._work_pool_name):
                await self._propose_crashed_state(
                    flow_run, "Its worker was killed. The batch's lease expires, and its event is published again."
                )

    async def _listen(self) -> None:
        """Listen to the events of new, cancelled and suspended runs.

        The polls find what happens before the websocket is open, and while it is broken.
        """
        wanted = EventFilter(event=EventNameFilter(name=[_SCHEDULED, *_STOP_REQUESTS]))
        while True:
            try:
                async with get_events_subscriber(filter=wanted) as events:
                    async for event in events:
                        (self._new_runs if event.event == _SCHEDULED else self._stop_requests).set()
            except Exception as error:  # noqa: BLE001 - the worker polls as well
                self._logger.debug("The event stream broke: %s", error)
            await anyio.sleep(_SECONDS_BETWEEN_CONNECTIONS)

    async def _check_stop_requests(self) -> None:
        """End the runs of this worker that a person cancels or suspends."""
        while True:
            with anyio.move_on_after(_SECONDS_BETWEEN_STOP_CHECKS):
                await self._stop_requests.wait()
            self._stop_requests = anyio.Event()
            try:
                await self._stop_requested_runs()
            except Exception as error:  # noqa: BLE001 - the poll reports what is wrong with the server
                self._logger.debug("Cancelled and suspended runs could not be read: %s", error)
                await anyio.sleep(1)

    async def _stop_requested_runs(self) -> None:
        running = list(self._threads.keys() - self._cancelled)
        if not running:
            return
        stopping = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING, StateType.PAUSED]))
        for run in await self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=running), state=stopping)
        ):
            if run.state is not None and run.state.is_cancelling():
                self._cancel(run.id)
            elif run.state is not None and is_suspended_flow_run_state(run.state):
                mark_flow_run_suspension_requested(run.id, run.state)  # it ends before its next task

    def _cancel(self, flow_run_id: UUID) -> None:
        thread = self._threads.get(flow_run_id)
        if thread is not None:
            self._cancelled.add(flow_run_id)
            _interrupt(thread, RunCancelled)

    async def _fetch_new_runs(self) -> None:
        """Fetch runs after an event; once for many events, because the scheduler creates up to a hundred runs."""
        while True:
            with anyio.move_on_after(self.seconds_until_all_may_take()) as waited:
                await self._new_runs.wait()
            # Only this worker knows of a slot that it has freed: nobody else would take the next run at once.
            takes_all = waited.cancelled_caught or self._has_free_slot
            self._new_runs, self._has_free_slot = anyio.Event(), False
            if takes_all:
                self.forget_left_runs()  # the polls find them if Prefect does not answer now
            with self.leaving_new_runs(not takes_all):
                await self.get_and_submit_flow_runs()


def _later(what: str, name: str = "AwaitingRetry") -> State[Any]:
    return Scheduled(scheduled_time=datetime.now(UTC) + _UNTIL_NEXT_ATTEMPT, message=what, name=name)


async def _wait_until_due(flow_run: FlowRun) -> None:
    """Wait until a run is due.

    The server offers it ten seconds before. If it were Pending from then on, it would occupy a slot of its deployment,
    and the run before it might be cancelled.
    """
    due = flow_run.next_scheduled_start_time
    if due is not None:
        await anyio.sleep(max(0.0, due.timestamp() - time.time()))


def _interrupt(thread: threading.Thread, reason: type[BaseException]) -> None:
    # CPython raises it at the thread's next instruction. A blocking system call is not interrupted.
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(reason))
