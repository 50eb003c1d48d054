"""Reports of tasks are coalesced: many of one task lead to one request, and none is forgotten."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from labelyard.domain.webhooks import JobChange
from labelyard.errors import LedgerUnreachable
from labelyard.sources import reported_tasks
from labelyard.sources.reported_tasks import LONGEST_SECONDS, QUIET_SECONDS, TASKS_AT_ONCE, ReportedTask, ReportedTasks
from tests.support.waiting import eventually

CHANGED, SAVED = False, True


class Desk:
    """Reported tasks on a clock of their own, and what was asked for together."""

    def __init__(self) -> None:
        self.now = 100.0
        self.collected: list[Mapping[ReportedTask, bool]] = []
        self.failures: list[Exception] = []
        self.again: list[ReportedTask] = []
        self.ticks = 0
        self.reported = ReportedTasks(self._collect, self._tick, lambda: self.now)

    def _collect(self, tasks: Mapping[ReportedTask, bool]) -> Collection[ReportedTask]:
        if self.failures:
            raise self.failures.pop()
        self.collected.append(tasks)
        again, self.again = self.again, []
        return again

    def _tick(self) -> None:
        self.ticks += 1

    def report(self, task_id: int, *, only_saved: bool = False) -> None:
        self.reported.report("default", JobChange(task_id, only_saved))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.reported._collect_due()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def task(task_id: int) -> ReportedTask:
    return ReportedTask("default", task_id)


def test_a_burst_of_reports_of_a_task_is_one_request_and_no_task_is_forgotten(desk: Desk) -> None:
    for number in range(200):
        desk.report(1 + number % 2)
    desk.pass_time(QUIET_SECONDS / 2)
    assert desk.collected == []
    desk.pass_time(QUIET_SECONDS)
    assert desk.collected == [{task(1): CHANGED, task(2): CHANGED}]
    assert desk.ticks == 1
    desk.pass_time(10)
    assert len(desk.collected) == 1
    assert desk.reported.seconds_until_due() is None


def test_a_task_that_is_never_quiet_is_asked_for_all_the_same(desk: Desk) -> None:
    steps = int(4 * LONGEST_SECONDS / (QUIET_SECONDS / 2))
    for _ in range(steps):
        desk.report(1)
        desk.pass_time(QUIET_SECONDS / 2)
    assert 3 <= len(desk.collected) <= 5


def test_saving_and_then_completing_is_more_than_saving(desk: Desk) -> None:
    desk.report(1, only_saved=True)
    desk.report(1)
    desk.report(2, only_saved=True)
    desk.report(2, only_saved=True)
    desk.pass_time(1)
    assert desk.collected == [{task(1): CHANGED, task(2): SAVED}]


def test_a_report_that_comes_during_the_request_leads_to_another_one(desk: Desk) -> None:
    desk.report(1)
    desk.now += 1
    assert desk.reported.take_due() == {task(1): CHANGED}
    desk.report(1)
    desk.pass_time(1)
    assert desk.collected == [{task(1): CHANGED}]


def test_what_another_process_overtook_or_what_failed_is_asked_for_again(desk: Desk) -> None:
    desk.again = [task(2)]
    desk.report(1)
    desk.report(2, only_saved=True)
    desk.pass_time(1)
    desk.failures = [LedgerUnreachable("the ledger does not answer")]
    desk.pass_time(1)
    health = desk.reported.add_health({"problems": {}})
    assert health["problems"] == {"collecting the tasks that CVAT reported": "the ledger does not answer"}
    assert health["cvat"]["waiting"] == 1
    desk.pass_time(1)
    assert desk.collected == [{task(1): CHANGED, task(2): SAVED}, {task(2): SAVED}]
    assert desk.reported.add_health({"problems": {}})["problems"] == {}


def test_the_events_of_many_tasks_are_published_while_the_others_wait(desk: Desk) -> None:
    for number in range(2 * TASKS_AT_ONCE + 1):
        desk.report(number + 1)
    for _ in range(3):
        desk.pass_time(1)
    assert [len(tasks) for tasks in desk.collected] == [TASKS_AT_ONCE, TASKS_AT_ONCE, 1]
    assert desk.ticks == 3


def test_more_tasks_than_the_limit_are_left_to_the_schedule(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reported_tasks, "MAX_TASKS", 3)
    for number in range(1, 6):
        desk.report(number)
    desk.pass_time(1)
    assert list(desk.collected[0]) == [task(1), task(2), task(3)]


def test_the_thread_asks_when_a_task_is_due_and_ends_with_the_watcher() -> None:
    collected: list[Mapping[ReportedTask, bool]] = []

    def collect(tasks: Mapping[ReportedTask, bool]) -> Collection[ReportedTask]:
        collected.append(tasks)
        return ()

    reported = ReportedTasks(collect, lambda: None)
    with reported.running():
        reported.report("default", JobChange(1, only_saved=False))
        eventually(lambda: collected == [{task(1): CHANGED}])
    reported.report("default", JobChange(2, only_saved=False))
    assert len(collected) == 1
