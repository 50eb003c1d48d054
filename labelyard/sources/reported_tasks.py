"""Tasks that CVAT reported to have a changed job, until labelyard has asked CVAT for them.

A report is a hint: what counts is what CVAT shows. So many reports of a task lead to one request, and one that is
lost, or forgotten when the watcher ends, costs time only: the scheduled collect_finished finds the change.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeAlias

from labelyard.domain.webhooks import JobChange
from labelyard.sources.backoff import Backoff

QUIET_SECONDS = 0.2
"""A task is asked for when it was quiet for so long: a person who completes a job saves it first."""
LONGEST_SECONDS = 1.0
"""A task that is never quiet is asked for so long after its first report."""
_STOP_SECONDS = 10.0
TASKS_AT_ONCE = 10
"""How many tasks are asked for before the events of those that are completed are published."""
MAX_TASKS = 10_000
"""How many tasks may wait; further ones are left to the scheduled collect_finished."""


@dataclass(frozen=True, slots=True)
class ReportedTask:
    """A task of the CVAT of this name in the settings."""

    cvat: str
    task_id: int


@dataclass(slots=True)
class _Reports:
    """When a task was first and last reported, in seconds; `only_saved` if each time annotations were saved alone."""

    first: float
    last: float
    only_saved: bool

    @property
    def due(self) -> float:
        return min(self.last + QUIET_SECONDS, self.first + LONGEST_SECONDS)


Collect: TypeAlias = Callable[[Mapping[ReportedTask, bool]], Collection[ReportedTask]]
"""Asks CVAT for tasks and records what changed; the value says whether annotations were saved and nothing else.

Returns those that must be asked for again, because another process recorded something at the same time.
"""


class ReportedTasks:
    """The waiting tasks, and the thread that asks CVAT for them."""

    def __init__(
        self, collect: Collect, when_done: Callable[[], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._collect, self._when_done, self._clock = collect, when_done, clock
        self._waiting: dict[ReportedTask, _Reports] = {}
        self._changed, self._stopping = threading.Condition(), threading.Event()
        self._collecting = Backoff("collecting the tasks that CVAT reported")
        self._last_report: datetime | None = None

    def report(self, cvat: str, change: JobChange) -> None:
        """Add a report."""
        self._last_report = datetime.now(UTC)
        self._add(ReportedTask(cvat, change.task_id), only_saved=change.only_saved)

    def _add(self, task: ReportedTask, *, only_saved: bool) -> None:
        now = self._clock()
        with self._changed:
            known = self._waiting.get(task)
            if known is not None:
                known.last, known.only_saved = now, known.only_saved and only_saved
            elif len(self._waiting) < MAX_TASKS:
                self._waiting[task] = _Reports(now, now, only_saved)
            self._changed.notify()

    def take_due(self) -> Mapping[ReportedTask, bool]:
        """Remove the tasks that are due, the first of many; return whether only annotations were saved in each."""
        now = self._clock()
        with self._changed:
            due = (task for task, reports in self._waiting.items() if reports.due <= now)
            return {task: self._waiting.pop(task).only_saved for task in list(islice(due, TASKS_AT_ONCE))}

    def seconds_until_due(self) -> float | None:
        """Return how long the next task waits; None without one."""
        with self._changed:
            due = min((reports.due for reports in self._waiting.values()), default=None)
        return None if due is None else max(0.0, due - self._clock())

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask for tasks when they are due, from a thread; at the end wait for what it has begun."""
        thread = threading.Thread(target=self._run, name="reported tasks", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._stopping.set()
                self._changed.notify_all()
            thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping.is_set())
            self._stopping.wait(max(self.seconds_until_due() or 0.0, self._collecting.pause))
            self._collect_due()

    def _collect_due(self) -> None:
        due = self.take_due()
        if not due or self._stopping.is_set():
            return
        again: Collection[ReportedTask] = due
        with self._collecting.guard():
            again = self._collect(due)
            self._when_done()
        for task in again:
            self._add(task, only_saved=due[task])

    def add_health(self, health: dict[str, Any]) -> dict[str, Any]:
        """Add when CVAT last reported something, how many tasks wait, and what is wrong, as JSON values."""
        last = self._last_report.isoformat(timespec="seconds") if self._last_report else None
        problems = {self._collecting.activity: self._collecting.problem} if self._collecting.problem else {}
        reports = {"last_report": last, "waiting": len(self._waiting)}
        return {**health, "cvat": reports, "problems": {**health["problems"], **problems}}
