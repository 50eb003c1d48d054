"""Workers that leave new runs to each other, instead of all asking for each of them.

The event of a new run reaches all workers at once. Each would ask for the run, one would get it, the others would be
refused. Here the run is left to the one worker that all of them choose. It may be dead, or have no room: a moment
later, and at each poll, a worker takes whatever is due.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect.client.schemas.filters import WorkerFilter, WorkerFilterStatus
from prefect.client.schemas.objects import FlowRun, WorkerStatus
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.workers.base import BaseWorker

from labelyard.domain.turns import first_worker
from labelyard.orchestration.best_effort import best_effort

if TYPE_CHECKING:
    _Worker = BaseWorker[Any, Any, Any]
else:
    _Worker = object

_SECONDS_FOR_THE_FIRST = 2.0
_SECONDS_BETWEEN_LOOKS = 30.0
_ONLINE = WorkerFilter(status=WorkerFilterStatus(any_=[WorkerStatus.ONLINE]))
_leaves_new_runs: ContextVar[bool] = ContextVar("leaves_new_runs", default=False)


class TakesTurns(_Worker):
    """A base class for workers, to be named before Prefect's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._workers, self._look_at = {self.name}, 0.0
        self._left_at: dict[UUID, float] = {}

    @contextmanager
    def leaving_new_runs(self, leave: bool) -> Iterator[None]:  # noqa: FBT001 - its name is the method's
        """Leave runs to other workers within the `with` block, even if they are due."""
        token = _leaves_new_runs.set(leave)
        try:
            yield
        finally:
            _leaves_new_runs.reset(token)

    def seconds_until_all_may_take(self) -> float | None:
        """Return when to take the runs that were left to another worker, None if there are none.

        The time counts from the look that left the first of them, however many events arrive since.
        """
        if not self._left_at:
            return None
        return max(0.0, min(self._left_at.values()) + _SECONDS_FOR_THE_FIRST - time.monotonic())

    def forget_left_runs(self) -> None:
        """Wait no longer for the other workers: the next look takes all."""
        self._left_at.clear()

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        offered = await super()._get_scheduled_flow_runs()
        if offered and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _SECONDS_BETWEEN_LOOKS
            with best_effort("reading the other workers"):
                found = await self.client.read_workers_for_work_pool(self._work_pool_name, worker_filter=_ONLINE)
                self._workers = {self.name, *(worker.name for worker in found)}
        left = [each for each in offered if self._is_left(each.flow_run)]
        self._note_left(each.flow_run.id for each in left if _is_due(each.flow_run))
        return [each for each in offered if each not in left]

    def _note_left(self, due: Iterable[UUID]) -> None:
        now = time.monotonic()
        self._left_at = {flow_run_id: self._left_at.get(flow_run_id, now) for flow_run_id in due}

    def _is_left(self, flow_run: FlowRun) -> bool:
        if first_worker(str(flow_run.id), self._workers) == self.name:
            return False
        return _leaves_new_runs.get() or not _is_due(flow_run)  # one that is not due yet waits in all workers


def _is_due(flow_run: FlowRun) -> bool:
    due = flow_run.next_scheduled_start_time
    return due is None or due.timestamp() <= time.time()
