"""A worker that runs flows as threads of its own process, and hears of new runs at once.

Prefect's own process worker needs some seconds to start a run: it looks only now and then, and starts two
interpreters. This one listens to the server's events, keeps the flows loaded, and asks for nothing but the two states
that matter (Pending, where the limits are kept, and Running). Deployments don't depend on it: a pool of this type takes
a process worker as well.

     Scheduled ──event or poll──▶ Pending (the server keeps the limits) ──thread──▶ Running ──▶ …
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
from prefect import Flow
from prefect._flow_run_suspension import is_suspended_flow_run_state, mark_flow_run_suspension_requested
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.deployments.steps.core import StepExecutionError, run_steps
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.filesystems import LocalFileSystem
from prefect.flows import load_flow_from_entrypoint
from prefect.logging.handlers import APILogHandler
from prefect.workers.base import BaseWorker, BaseWorkerResult
from prefect.workers.process import ProcessJobConfiguration, ProcessVariables

from labelyard.errors import RunCancelled, WorkerStopped
from labelyard.orchestration.fast_worker.engine import one_client, run_in_this_thread
from labelyard.orchestration.fast_worker.killed_workers import identity, runs_left_behind

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from prefect.client.schemas.objects import FlowRun

_log = logging.getLogger(__name__)
_SCHEDULED = "prefect.flow-run.Scheduled"
_UNWANTED = ["prefect.flow-run.Cancelling", "prefect.flow-run.Suspended"]
_SECONDS_TO_FINISH = 4.0  # with the next, less than the ten seconds that Docker gives
_SECONDS_TO_GIVE_BACK = 4.0
_SECONDS_BETWEEN_CONNECTIONS = 5.0
_SECONDS_UNTIL_HEEDED = 5.0  # where an event got lost, or came before the state that it tells of could be read


class LabelyardWorkerResult(BaseWorkerResult):
    """How a run ended, as far as the worker knows."""


class LabelyardWorker(BaseWorker[ProcessJobConfiguration, ProcessVariables, LabelyardWorkerResult]):
    """Runs flows as threads of this process; after a change of code that keeps the version, start it anew.

    The job variables of the process worker are accepted, so that both take the same pool; only those about
    processes (command, working_dir, env) mean nothing here.
    """

    type = "labelyard"
    job_configuration = ProcessJobConfiguration
    job_configuration_variables = ProcessVariables
    _description = (
        "Runs labelyard's flows inside the worker's own process, without the seconds that starting one takes."
    )

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        """The process worker's, without what it fills in anyway.

        For each run that is made the server checks every default of the pool against the whole template: a twentieth of
        its work in a burst.
        """
        template = super().get_default_base_job_template()
        for variable in template["variables"]["properties"].values():
            variable.pop("default", None)
        return template

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._flows: dict[tuple[UUID, str | None], Flow[..., Any]] = {}
        self._threads: dict[UUID, threading.Thread] = {}
        self._cancelled: set[UUID] = set()
        self._news = anyio.Event()
        self._unwanted = anyio.Event()

    async def start(self, *args: Any, **kwargs: Any) -> None:
        """Work until SIGTERM or SIGINT; then finish or give back what runs, and return."""
        with _cancelled_by_signals():
            try:
                await super().start(*args, **kwargs)
            except asyncio.CancelledError:
                self._logger.info("Stopped.")
            finally:
                await APILogHandler.aflush()

    async def setup(self) -> None:
        """Also listen for the server's word of new runs."""
        self._exit_stack.enter_context(one_client())
        await super().setup()
        assert self._runs_task_group is not None
        await self._report_runs_left_behind()
        self._runs_task_group.start_soon(self._listen)
        self._runs_task_group.start_soon(self._fetch_on_news)
        self._runs_task_group.start_soon(self._heed_people)

    async def run(
        self, flow_run: FlowRun, configuration: ProcessJobConfiguration, task_status: TaskStatus[int] | None = None
    ) -> LabelyardWorkerResult:
        """Run a flow in a thread until it ends, whatever its end."""
        del configuration
        flow = await self._flow_of(flow_run)
        if task_status is not None:
            task_status.started(os.getpid())
        await self._run_in_thread(flow, flow_run)
        return LabelyardWorkerResult(status_code=0, identifier=identity())

    async def _submit_run(self, flow_run: FlowRun) -> None:
        # Leaner than Prefect's own: no state Submitting, no job configuration, no labels. Each costs a tenth of a
        # second, and they are for infrastructure that is started elsewhere.
        try:
            await _time_of_a_schedule(flow_run)
            ours = await self._propose_pending_state(flow_run)
            if ours:
                await self._run_or_report(flow_run)
        finally:
            self._release_limit_slot(flow_run.id)
            self._submitting_flow_run_ids.discard(flow_run.id)
        if ours:  # not after a refusal: the run that was refused would be the first to be found
            self._news.set()  # a place is free: whoever waits for it need not wait for the next poll

    async def _run_or_report(self, flow_run: FlowRun) -> None:
        try:
            flow = await self._flow_of(flow_run)
        except Exception as error:  # noqa: BLE001 - a flow that cannot be loaded ends its run, not the worker
            cause = error.__cause__ if isinstance(error, StepExecutionError) and error.__cause__ else error
            self.get_flow_run_logger(flow_run).error("The flow could not be loaded.", exc_info=cause)
            await self._propose_crashed_state(
                flow_run, f"The flow could not be loaded: {type(cause).__name__}: {cause}"
            )
        else:
            await self._run_in_thread(flow, flow_run)

    async def _flow_of(self, flow_run: FlowRun) -> Flow[..., Any]:
        """The run's flow, loaded once for each version of its deployment."""
        if flow_run.deployment_id is None:
            raise ValueError("a run without a deployment has no code that a worker could load")
        known = (flow_run.deployment_id, flow_run.deployment_version)
        if known not in self._flows:
            deployment = await self.client.read_deployment(flow_run.deployment_id)
            pulled = await run_steps(
                deployment.pull_steps or [], print_function=self._logger.debug, deployment=deployment, flow_run=flow_run
            )
            folder = pulled.get("directory") or deployment.path or "."
            self._flows[known] = await anyio.to_thread.run_sync(_load, folder, deployment.entrypoint or "")
        return self._flows[known]

    async def _run_in_thread(self, flow: Flow[..., Any], flow_run: FlowRun) -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()

        def work() -> None:
            try:
                run_in_this_thread(flow, flow_run)
            except BaseException:  # noqa: BLE001 - the engine has reported it; a flow must never take the worker with it
                _log.debug("flow run %s ended with an exception", flow_run.id, exc_info=True)
            finally:
                loop.call_soon_threadsafe(ended.set)

        # A daemon: a flow that hears nothing must not keep a stopping worker alive.
        thread = threading.Thread(target=copy_context().run, args=(work,), name=f"run {flow_run.name}", daemon=True)
        self._threads[flow_run.id] = thread
        thread.start()
        try:
            await self.client.update_flow_run(flow_run.id, infrastructure_pid=identity())
            await ended.wait()
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await self._end(flow_run, thread, ended)
            raise
        finally:
            del self._threads[flow_run.id]
        if flow_run.id in self._cancelled:
            self._cancelled.discard(flow_run.id)
            message = "Cancelled. Its batch is given back, and soon announced again."
            await self._mark_flow_run_as_cancelled(flow_run, {"message": message})

    async def _end(self, flow_run: FlowRun, thread: threading.Thread, ended: asyncio.Event) -> None:
        """Let a run finish if it is quick; else interrupt it, so that it gives its batch back."""
        with anyio.move_on_after(_SECONDS_TO_FINISH):
            await ended.wait()
        if ended.is_set():
            return
        _interrupt(thread, WorkerStopped)
        with anyio.move_on_after(_SECONDS_TO_GIVE_BACK):
            await ended.wait()
        if not ended.is_set():
            await self._propose_crashed_state(
                flow_run, "The worker was stopped. The batch's lease runs out, and it is announced again."
            )

    async def _report_runs_left_behind(self) -> None:
        """Free at once the slots of runs whose worker was killed here, and show that they crashed."""
        try:
            for flow_run in await runs_left_behind(self.client, self._work_pool_name):
                await self._propose_crashed_state(
                    flow_run,
                    "Its worker was killed. The batch's lease runs out, and it is announced again.",
                )
        except Exception as error:  # noqa: BLE001 - a worker that cannot tidy up can still work
            self._logger.warning("What a killed worker has left could not be looked for: %s", error)

    async def _listen(self) -> None:
        """Hear at once of runs that are new, cancelled or suspended; while the stream is broken, the looks go on alone.

        What happens before it is there, or while it is not, only they find.
        """
        wanted = EventFilter(event=EventNameFilter(name=[_SCHEDULED, *_UNWANTED]))
        while True:
            try:
                async with get_events_subscriber(filter=wanted) as events:
                    async for event in events:
                        (self._news if event.event == _SCHEDULED else self._unwanted).set()
            except Exception as error:  # noqa: BLE001 - it is an accelerator: whatever breaks it, the looks work
                self._logger.debug("The event stream broke: %s", error)
            await anyio.sleep(_SECONDS_BETWEEN_CONNECTIONS)

    async def _heed_people(self) -> None:
        """End the runs of ours that a person cancels or suspends."""
        while True:
            with anyio.move_on_after(_SECONDS_UNTIL_HEEDED):
                await self._unwanted.wait()
            self._unwanted = anyio.Event()
            try:
                await self._end_unwanted_runs()
            except Exception as error:  # noqa: BLE001 - the poll reports what is wrong with the server
                self._logger.debug("Whether somebody cancels a run could not be asked: %s", error)
                await anyio.sleep(1)

    async def _end_unwanted_runs(self) -> None:
        ours = list(self._threads.keys() - self._cancelled)
        if not ours:
            return
        ending = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING, StateType.PAUSED]))
        for run in await self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ours), state=ending)
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

    async def _fetch_on_news(self) -> None:
        """One look for any number of events: the scheduler writes up to a hundred runs ahead at a time."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            try:
                await self.get_and_submit_flow_runs()
            except Exception as error:  # noqa: BLE001 - the poll reports what is wrong with the server, and backs off
                self._logger.debug("The look after an event failed: %s", error)
                await anyio.sleep(1)


def _load(folder: str, entrypoint: str) -> Flow[..., Any]:
    project = str(Path(folder).resolve())
    if project not in sys.path:
        sys.path.insert(0, project)  # flows/ imports tasks/ from here, whatever the worker's own folder
    flow: Flow[..., Any] = load_flow_from_entrypoint(f"{project}/{entrypoint}", use_placeholder_flow=False)
    if flow.persist_result is False:
        flow.result_storage = LocalFileSystem()  # never used; without one each run asks the server twice where it is
    return flow


async def _time_of_a_schedule(flow_run: FlowRun) -> None:
    """Wait until a schedule's run is due.

    It is handed out ten seconds before. Pending since then, it would hold its deployment's only place, and the run
    before it would be cancelled for want of one.
    """
    due = flow_run.next_scheduled_start_time
    if flow_run.auto_scheduled and due is not None:
        await anyio.sleep(max(0.0, due.timestamp() - time.time()))


def _interrupt(thread: threading.Thread, reason: type[BaseException]) -> None:
    # CPython raises it at the thread's next instruction: a call that waits in the system is not cut short.
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(reason))


@contextmanager
def _cancelled_by_signals() -> Iterator[None]:
    """Cancel the current task at the first SIGTERM or SIGINT.

    Prefect's command turns SIGTERM into SIGINT, which a shell without a terminal lets its background jobs ignore.
    """
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, task.cancel)
    try:
        yield
    finally:
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signum)
