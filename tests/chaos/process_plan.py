"""What a seed means for the full stack: the plan for single steps, slower, with faults of whole processes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.chaos.fault_plan import RUN_FAILPOINTS, WATCHER_FAILPOINTS, FaultPlan, ProcessFault
from tests.chaos.step_plan import step_fault_plan

_SLOWDOWN = 5.0
"""The full stack takes about this many times longer than single steps."""
_KILLED = ("worker", "worker", "worker", "watcher", "watcher", "sandbox", "prefect-server", "emulator", "up")
_STOPPED = ("worker", "watcher", "prefect-server", "sandbox", "emulator")
_TIMEOUT_SECONDS = 7.0


def process_fault_plan(seed: int) -> FaultPlan:
    """Return the plan of a seed for the full stack, without the features of CVAT that only fast runs set up."""
    rng, plan = random.Random(-seed - 1), step_fault_plan(seed)
    faults = (_process_fault(rng) for _ in range(rng.choice((1, 1, 2, 2, 3))))
    return replace(
        plan,
        uploads=tuple(replace(upload, after=upload.after * _SLOWDOWN) for upload in plan.uploads),
        worker_faults=(),
        cvat_faults=tuple(_longer_timeout(rule) for rule in plan.cvat_faults),
        store_faults=tuple(_longer_timeout(rule) for rule in plan.store_faults),
        event_faults=(),
        decisions=tuple(replace(decision, at=decision.at * _SLOWDOWN) for decision in plan.decisions),
        ledger_locks=tuple((at * _SLOWDOWN, seconds * _SLOWDOWN) for at, seconds in plan.ledger_locks),
        duplicate_tasks=False,
        organization="",
        cloud="",
        inspect=True,
        predictions=None,
        quality=None,
        webhook=False,
        fault_seconds=60.0,
        process_faults=tuple(sorted(faults, key=lambda fault: fault.at)),
    )


def _longer_timeout(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    times_out = rule.get("delay", 0.0) > 1 and not rule["on"].startswith("worker")
    return {**rule, "delay": _TIMEOUT_SECONDS} if times_out else rule


def _process_fault(rng: random.Random) -> ProcessFault:
    at, seconds = rng.uniform(0, 12), rng.uniform(1, 6)
    kind = rng.choice(("kill", "kill", "kill", "crash", "crash", "crash", "stop", "full"))
    if kind == "crash":
        process = rng.choice(("worker", "worker", "watcher"))
        failpoints = WATCHER_FAILPOINTS if process == "watcher" else RUN_FAILPOINTS
        return ProcessFault(at / 2, kind, process, failpoint=rng.choice(failpoints))
    processes = {"kill": _KILLED, "stop": _STOPPED, "full": ("worker", "watcher")}[kind]
    return ProcessFault(at, kind, rng.choice(processes), seconds)
