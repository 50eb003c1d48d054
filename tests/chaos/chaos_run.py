"""One run: inject the faults of a plan, stop them, wait until everything is at rest, and check the invariants."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import select

from labelyard.domain.states import BatchState, TaskState
from labelyard.errors import CvatError, CvatNotFound
from labelyard.ledger import exports, outbox, quality
from labelyard.ledger.tables import Batch, Object, Task
from tests.chaos.annotators import Annotators
from tests.chaos.feature_invariants import feature_violations
from tests.chaos.invariants import AT_REST, violations
from tests.chaos.lead import Lead
from tests.chaos.scenario import FaultRules, Scenario
from tests.chaos.snapshot import is_retired, list_images, take_snapshot, undelivered_messages
from tests.chaos.uploads import Uploads
from tests.support.cvat_families import rules_for

REST_SECONDS = 300.0
"""How long it may take after the last fault until everything is at rest, on a busy machine too."""
_CHECK_SECONDS = 0.1
_LATE_MARGIN = 0.3


@dataclass(frozen=True)
class Outcome:
    """How a run ended; it is clean without violations. `faults` counts the faults that really happened, by kind.

    `log` lists the failures of flow runs, for a person who looks for a cause.
    """

    seed: int
    violations: tuple[str, ...]
    faults: Counter[str]
    seconds: float
    log: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    """The features of CVAT that the dataset used."""


class FaultInjector(Protocol):
    """Runs labelyard's processes and injects the faults of a scenario's plan."""

    scenario: Scenario

    @property
    def busy(self) -> bool:
        """Whether something is active that the ledger does not show."""

    def tick(self, now: float) -> None:
        """Start processes and inject faults that are due."""

    def pause(self) -> None:
        """Wait a moment."""

    def collect_soon(self) -> None:
        """Let completed jobs be collected soon."""

    def stop_faults(self) -> None:
        """End every fault, and start no other."""


class ChaosRun:
    """A run of an injector's plan."""

    def __init__(self, injector: FaultInjector, annotators: Annotators) -> None:
        self._injector, self._annotators = injector, annotators
        self.scenario = injector.scenario
        self._uploads, self._lead = Uploads(self.scenario), Lead(self.scenario)
        self._check_at, self._activity = 0.0, "not checked yet"
        self._faults_stopped_at = 0.0

    def run(self) -> Outcome:
        """Inject the faults, stop them, wait for rest, and check the invariants."""
        scenario, plan = self.scenario, self.scenario.plan
        scenario.cvat_rules.set(rules_for(scenario.cvat_version, plan.cvat_faults))
        scenario.store_rules.set([dict(rule) for rule in plan.store_faults])
        if any(_kind(rule) == "timeout" for rule in plan.cvat_faults if "when" not in rule):
            # No annotator is so fast in reality: CVAT executes the delayed request before anybody labels.
            self._annotators.wait(plan.fault_seconds + 1.5)
        self._run_until_rest(plan.fault_seconds)
        self._stop_faults()
        self._run_until_rest(REST_SECONDS)
        if plan.reopen_job and (batch := self._annotators.reopen_job()):
            self._run_until_rest(REST_SECONDS, reopened_batch=batch)
        self._wait_for_late_requests()
        unrepaired = self._lead.repair()
        if self._activity:
            scenario.log.append(f"never at rest: {self._activity}")
        snapshot = take_snapshot(scenario, self._uploads.unusable_keys, self._annotators)
        found = (*violations(snapshot), *feature_violations(snapshot), *unrepaired)
        seconds = time.time() - scenario.started_at
        return Outcome(plan.seed, found, scenario.fault_counts, seconds, tuple(scenario.log), plan.features())

    def _run_until_rest(self, seconds: float, reopened_batch: str | None = None) -> None:
        end, self._activity = time.time() + seconds, "not checked yet"
        while self._activity and (now := time.time()) < end:
            self._uploads.tick(now)
            self._lead.tick(now)
            self._injector.tick(now)
            if now >= self._check_at:
                self._check_at = now + _CHECK_SECONDS
                if self._annotators.act():
                    self._injector.collect_soon()
                self._activity = self._current_activity(reopened_batch)
            self._injector.pause()

    def _wait_for_late_requests(self) -> None:
        """Wait until CVAT has executed the requests that a rule has delayed: repair is for what is at rest."""
        late = max((rule.get("delay", 0.0) for rule in self.scenario.plan.cvat_faults), default=0.0)
        time.sleep(max(0.0, self._faults_stopped_at + late + _LATE_MARGIN - time.time()) if late > 1 else 0.0)

    def _stop_faults(self) -> None:
        self.scenario.faults_stopped = True
        self._injector.stop_faults()
        self._count_and_clear(self.scenario.cvat_rules, "CVAT")
        self._count_and_clear(self.scenario.store_rules, "store")
        self._faults_stopped_at = time.time()

    def _count_and_clear(self, rules: FaultRules, server: str) -> None:
        for rule in rules.described():
            met = max(0, rule["met"] - rule.get("skip", 0))
            self.scenario.fault_counts[f"{server}: {_kind(rule)}"] += min(rule.get("times", met), met)
        rules.set([])

    def _current_activity(self, reopened_batch: str | None) -> str:
        """Return why the run is not at rest; empty if it is."""
        if self._uploads.pending or self._injector.busy:
            return "uploads, events or runs are pending"
        scenario = self.scenario
        with scenario.ledger.read_only() as tx:
            states = set(tx.scalars(select(Batch.state).distinct())) - AT_REST
            rows = {(key, etag) for key, etag in tx.execute(select(Object.key, Object.etag))}
            unpublished = outbox.waiting(tx)[0]
            export_due = reopened_batch and exports.next_generation(tx, reopened_batch) < 3
            report_due = bool(quality.without_report(tx, 1))
        if states or unpublished or export_due or report_due:
            return f"batches are {', '.join(states)}; {unpublished} events are not published"
        if (lost := self._cancelled_without_frames()) is not None:
            return f"{lost} is cancelled, and CVAT may still make frames of its upload"
        if messages := undelivered_messages(scenario.sqs, scenario.queue_url):
            return f"{messages} messages are in the queue"
        if is_retired(scenario.ledger, scenario.spec.name):
            return ""
        objects = list_images(scenario.s3, scenario.bucket, scenario.key(""))
        return ", ".join(f"{key} is not registered" for key, etag in objects.items() if (key, etag) not in rows)

    def _cancelled_without_frames(self) -> str | None:
        """Return a cancelled batch with an upload that has no frames; if CVAT has lost it, a sweep deletes its task."""
        with self.scenario.ledger.read_only() as tx:
            uploading = (Batch.state == BatchState.CANCELLED, Task.state == TaskState.UPLOADING)
            rows = tx.execute(select(Batch.id, Task.server_id).join(Task, Task.batch_id == Batch.id).where(*uploading))
            found = [(batch, task) for batch, task in rows if task is not None]
        return next((batch for batch, task in found if self._may_lack_frames(task)), None)

    def _may_lack_frames(self, task_id: int) -> bool:
        try:
            return not self.scenario.cvat.task(task_id).size
        except CvatNotFound:
            return False
        except CvatError:  # the server's faults hit this client too
            return True


def _kind(rule: Mapping[str, Any]) -> str:
    if rule["on"].startswith("worker"):
        how = f"forgotten: {rule['forget']}" if "forget" in rule else "fails" if "fail" in rule else "late"
        return f"{rule['on']} {how}"
    fault = "cut" if "cut" in rule else str(rule.get("status", ""))
    if "short" in rule:
        fault = f"short body {fault}".strip()
    if not fault:
        return "timeout" if rule["delay"] > 1 else "slow"
    return f"{fault} {rule.get('when', 'before')} the effect"
