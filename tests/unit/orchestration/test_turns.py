"""Runs that are left to another worker are taken two seconds later, however many events arrive meanwhile."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse

from labelyard.orchestration.fast_worker.turns import TakesTurns


class _Offers:
    name = "this one"
    offered: tuple[WorkerFlowRunResponse, ...] = ()

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        return list(self.offered)


class _Worker(TakesTurns, _Offers):  # as Prefect's own class, without a server
    def __init__(self) -> None:
        super().__init__()
        self._workers, self._look_at = {"a dead one"}, math.inf

    def offered_runs(self, *, leave: bool = True) -> list[Any]:
        with self.leaving_new_runs(leave):
            return asyncio.run(self._get_scheduled_flow_runs())


def _run() -> WorkerFlowRunResponse:
    return WorkerFlowRunResponse(work_pool_id=uuid4(), work_queue_id=uuid4(), flow_run=FlowRun(flow_id=uuid4()))


def test_the_time_counts_from_the_first_run_that_was_left_and_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    worker, first, second = _Worker(), _run(), _run()  # type: ignore[abstract]
    assert worker.seconds_until_all_may_take() is None
    worker.offered = (first,)
    assert worker.offered_runs() == []
    assert worker.seconds_until_all_may_take() == 2.0
    now = 101.5
    worker.offered = (first, second)
    assert worker.offered_runs() == []
    assert worker.seconds_until_all_may_take() == 0.5
    worker.offered = (second,)  # another worker has taken the first
    assert worker.offered_runs() == []
    assert worker.seconds_until_all_may_take() == 2.0
    now = 104.0
    assert worker.seconds_until_all_may_take() == 0.0
    assert worker.offered_runs(leave=False) == [second]
    assert worker.seconds_until_all_may_take() is None


def test_runs_are_forgotten_so_that_a_worker_without_an_answer_does_not_ask_without_a_pause() -> None:
    worker = _Worker()  # type: ignore[abstract]
    worker.offered = (_run(),)
    worker.offered_runs()
    worker.forget_left_runs()
    assert worker.seconds_until_all_may_take() is None
