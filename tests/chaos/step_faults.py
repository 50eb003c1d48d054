"""Step faults: the watchers and runs of a fast run, as worker processes that are killed or stopped as planned."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from threading import Lock
from typing import Any

from labelyard.failpoints import EXIT_STATUS
from labelyard.supervisor.stack import free_ports
from tests.chaos.deliveries import Deliveries
from tests.chaos.environment import Environment
from tests.chaos.fault_plan import WorkerFault
from tests.chaos.scenario import Scenario
from tests.chaos.worker import Worker
from tests.chaos.worker_main import WorkerCommand

_RUNS_AT_ONCE = 2
_LEASE_SECONDS_AFTER_FAULTS = 200.0
"""10 real seconds: a run extends its lease on the machine's clock, and must outlast `stalled_seconds` without that."""
_SWEEP_SECONDS, _COLLECT_SECONDS, _SLOW_COLLECT_SECONDS = 0.5, 0.6, 3.0
"""Slow: what CVAT's webhook reports is there earlier."""


class PublishedEvents:
    """The events that labelyard posts to the stub of Prefect, and the runs that they start."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._lock = Lock()
        self._faults = list(scenario.plan.event_faults)
        self._seen: set[str] = set()
        self._due: list[tuple[float, str, str]] = []

    @property
    def pending(self) -> bool:
        """Whether an event has still to start a run."""
        return bool(self._due)

    def receive(self, events: Sequence[dict[str, Any]]) -> str:
        """Take a request of the events API; return how, as in a plan's `event_faults`."""
        with self._lock:
            fault = "accepted" if self._scenario.faults_stopped or not self._faults else self._faults.pop(0)
            if fault != "accepted":
                self._scenario.fault_counts[f"event {fault.replace('_', ' ')}"] += 1
            if fault != "rejected":
                for event in events:
                    self._accept(event, fault)
            return fault

    def _accept(self, event: dict[str, Any], fault: str) -> None:
        if event["id"] in self._seen:
            return  # Prefect recognises a repeated event by its id
        self._seen.add(event["id"])
        if fault == "lost":
            return
        run = "export" if event["event"].endswith("task.completed") else "ingest"
        at = time.time() + (self._scenario.rng.uniform(0.1, 0.6) if fault == "late" else 0.0)
        twice = fault == "twice" or (self._scenario.plan.duplicate_runs and not self._scenario.faults_stopped)
        self._due += [(at, run, event["payload"]["batch"])] * (2 if twice else 1)

    def next_run(self, now: float) -> tuple[str, str] | None:
        """Return the next run to start: its name and its batch."""
        with self._lock:
            for entry in self._due:
                if entry[0] <= now:
                    self._due.remove(entry)
                    return entry[1], entry[2]
        return None


class StepFaults:
    """Starts watchers and runs in an environment, kills and stops them as planned, and starts them again."""

    def __init__(
        self,
        environment: Environment,
        scenario: Scenario,
        command: WorkerCommand,
        before_ingest: Callable[[str], None],
    ) -> None:
        self.scenario, self._environment = scenario, environment
        self._command, self._before_ingest = command, before_ingest
        self._events = PublishedEvents(scenario)
        environment.prefect.on_events = self._events.receive
        if scenario.plan.webhook:
            environment.relay.on_delivery = Deliveries(scenario, self._ports).receive
        self._faults = list(scenario.plan.worker_faults)
        self._runs: list[Worker] = []
        self._watchers: list[Worker] = []
        self._assigned_faults: dict[int, tuple[WorkerFault, float]] = {}
        """By process id: its fault, and when it was started."""
        self._collect_seconds = _SLOW_COLLECT_SECONDS if scenario.plan.webhook else _COLLECT_SECONDS
        self._sweep_at, self._collect_at = scenario.started_at + 0.3, scenario.started_at + 0.6

    @property
    def busy(self) -> bool:
        """Whether a run is active, or an event has still to start one."""
        return bool(self._runs) or self._events.pending

    def collect_soon(self) -> None:
        """Start the next collect_finished now: a job was completed. With a webhook CVAT reports that."""
        if not self.scenario.plan.webhook:
            self._collect_at = 0.0

    def tick(self, now: float) -> None:
        """Send due signals, take the results of ended workers, and start what is due."""
        while len(self._watchers) < self.scenario.plan.watchers:
            self._watchers.append(self._start("watch"))
        self._send_signals(now)
        for worker in [*self._runs, *self._watchers]:
            self._take_result(worker)
        while len(self._runs) < _RUNS_AT_ONCE and (due := self._events.next_run(now)):
            if due[0] == "ingest":
                self._before_ingest(due[1])
            self._runs.append(self._start(*due))
        if len(self._runs) < _RUNS_AT_ONCE and now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_SECONDS
            self._start_scheduled("sweep")
        if len(self._runs) < _RUNS_AT_ONCE and now >= self._collect_at:
            self._collect_at = now + self._collect_seconds
            self._start_scheduled("collect")

    def pause(self) -> None:
        """Wait a moment, or until a worker has a result."""
        wait([worker.connection for worker in [*self._runs, *self._watchers] if worker.exit_status is None], 0.02)

    def stop_faults(self) -> None:
        """Kill workers whose fault is still to come. Stopped workers are continued at the next tick."""
        settings = self._command.settings.model_copy(update={"lease_seconds": _LEASE_SECONDS_AFTER_FAULTS})
        self._command = replace(self._command, settings=settings)
        for worker in [*self._runs, *self._watchers]:
            if worker.pid in self._assigned_faults and worker.stopped_at is None:
                worker.send_signal(signal.SIGKILL)
        self._faults.clear()

    def end(self) -> None:
        """End every run and watcher; healthy watchers become idle workers of the environment."""
        self._environment.relay.ignore()
        for worker in self._runs:
            worker.end()
        for worker in self._watchers:
            with suppress(OSError):
                worker.connection.send("stop")
            healthy = worker.pid not in self._assigned_faults
            if healthy and worker.connection.poll(2) and worker.result() is not None:
                self._environment.idle_workers.append(worker)
            else:
                worker.end()

    def _ports(self) -> Sequence[int]:
        """Return where the watchers listen."""
        return [worker.command.port for worker in [*self._watchers] if worker.command is not None]

    def _start(self, name: str, batch: str = "") -> Worker:
        role = "watch" if name == "watch" else "run"
        fault = next((fault for fault in self._faults if fault.role == role), None)
        worker, command = self._environment.worker(), replace(self._command, name=name, batch=batch)
        if role == "watch" and self.scenario.plan.webhook:
            command = replace(command, port=free_ports(1)[0])
        if fault is not None:
            command = replace(command, failpoint=fault.failpoint, stop_at_failpoint=fault.stop_seconds > 0)
            self._faults.remove(fault)
            self._assigned_faults[worker.pid] = fault, time.time()
        worker.start(command)
        return worker

    def _start_scheduled(self, name: str) -> None:
        times = 2 if self.scenario.plan.duplicate_runs and not self.scenario.faults_stopped else 1
        self.scenario.fault_counts[f"two {name}s at the same time"] += times - 1
        self._runs += [self._start(name) for _ in range(times)]

    def _send_signals(self, now: float) -> None:
        for worker in [*self._runs, *self._watchers]:
            fault, since = self._assigned_faults.get(worker.pid, (None, 0.0))
            if fault is None:
                continue
            if fault.stop_seconds:
                self._stop_or_continue(worker, fault, now, since)
            elif not fault.failpoint and now >= since + fault.after:
                worker.send_signal(signal.SIGKILL)

    def _stop_or_continue(self, worker: Worker, fault: WorkerFault, now: float, since: float) -> None:
        """Stop a worker when it is due (at a failpoint it stops itself), and continue it after `stop_seconds`."""
        if worker.stopped_at is None and not fault.failpoint and now >= since + fault.after:
            worker.send_signal(signal.SIGSTOP)
        if worker.stopped_at is None and worker.is_stopped():
            worker.stopped_at = now
            self.scenario.fault_counts["stopped for a while"] += 1
            self.scenario.log.append(f"{_name(worker)}: stopped {fault.failpoint or ''}")
        elif worker.stopped_at is not None and (
            now >= worker.stopped_at + fault.stop_seconds or self.scenario.faults_stopped
        ):
            worker.send_signal(signal.SIGCONT)
            del self._assigned_faults[worker.pid]

    def _take_result(self, worker: Worker) -> None:
        name, failure = _name(worker), worker.result()
        if failure is None and worker.exit_status is None:
            return
        (self._watchers if worker in self._watchers else self._runs).remove(worker)
        fault, _ = self._assigned_faults.pop(worker.pid, (None, 0.0))
        if failure is None:
            self._record_death(worker, name, fault)
            return
        if failure or name == "watch":
            self.scenario.log.append(f"{name}: {failure.splitlines()[0] if failure else 'ended'}")
        if fault is not None and fault.stop_seconds:
            worker.send_signal(signal.SIGCONT)  # it may have been stopped after its command had ended
        if fault is not None and not self.scenario.faults_stopped:
            self._faults.append(fault)  # the command never reached it
        self._environment.idle_workers.append(worker)

    def _record_death(self, worker: Worker, name: str, fault: WorkerFault | None) -> None:
        log, counts = self.scenario.log, self.scenario.fault_counts
        if worker.exit_status == EXIT_STATUS and fault is not None and fault.failpoint:
            counts["died at a failpoint"] += 1
            log.append(f"{name} {worker.command and worker.command.batch}: died at {fault.failpoint}")
        elif worker.exit_status == -signal.SIGKILL and fault is not None:
            counts["kill -9"] += 1
            log.append(f"{name}: killed")
        else:
            counts["unexpected end"] += 1
            log.append(f"{name}: ended unexpectedly with status {worker.exit_status}")


def _name(worker: Worker) -> str:
    return worker.command.name if worker.command else ""
