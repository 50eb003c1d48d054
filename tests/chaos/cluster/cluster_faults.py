"""The faults of a cluster: each part is killed once, and one of the two hosts is cut off from the network."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.cluster.cluster import Cluster
from tests.chaos.fault_plan import FaultPlan, FaultyUpload
from tests.chaos.process_faults import is_a_batch_leased, send_signal
from tests.chaos.scenario import Scenario

_PAUSE_SECONDS = 0.1
_KINDS = ("worker", "watcher", "api", "services")
"""Parts that both hosts have: that of one host is killed."""
_DATABASES = ("redis", "postgres")
_UPLOADS = 40
_UPLOAD_SECONDS = 50.0
_CUT_SECONDS = 12.0


@dataclass(frozen=True)
class ClusterFault:
    """A part that is killed `at` so many seconds after the start, or a host that is cut off: "network-HOST"."""

    at: float
    part: str


def cluster_plan(seed: int) -> FaultPlan:
    """Return the uploads of a seed: images that arrive one by one, with a notification each."""
    rng = random.Random(seed)
    uploads = (
        FaultyUpload(f"day{number % 3}/{number:03}.jpg", number, number * _UPLOAD_SECONDS / _UPLOADS, "once")
        for number in range(_UPLOADS)
    )
    return FaultPlan(
        seed=seed, uploads=tuple(uploads), max_objects=rng.randint(3, 6), segment_size=rng.choice((0, 2)),
        lease_seconds=10.0, watchers=2, fault_seconds=_UPLOAD_SECONDS + 3 * _CUT_SECONDS,
    )  # fmt: skip


def cluster_faults(seed: int, hosts: list[str]) -> list[ClusterFault]:
    """Return one fault of each kind, in any order, while images arrive."""
    rng = random.Random(seed)
    parts = [*(f"{kind}-{rng.choice(hosts)}" for kind in (*_KINDS, "network")), *_DATABASES]
    rng.shuffle(parts)
    step = _UPLOAD_SECONDS / len(parts)
    return [ClusterFault((number + rng.random()) * step, part) for number, part in enumerate(parts)]


class ClusterFaults:
    """Injects the faults at their times. A worker is killed while a run has a batch."""

    def __init__(self, cluster: Cluster, scenario: Scenario) -> None:
        self.scenario, self._cluster = scenario, cluster
        self._faults = cluster_faults(scenario.plan.seed, [host.name for host in cluster.hosts])
        self._ends: list[tuple[float, Callable[[], None]]] = []

    @property
    def busy(self) -> bool:
        """Whether a run has the lease of a batch."""
        return is_a_batch_leased(self.scenario.ledger)

    def tick(self, now: float) -> None:
        """Restart dead processes and inject due faults."""
        self._cluster.supervisor.check()
        for end in [end for end in self._ends if end[0] <= now]:
            self._ends.remove(end)
            end[1]()
        for fault in [fault for fault in self._faults if self.scenario.started_at + fault.at <= now]:
            if not self.scenario.faults_stopped and self._inject(fault.part):
                self._faults.remove(fault)

    def pause(self) -> None:
        """Wait a moment."""
        time.sleep(_PAUSE_SECONDS)

    def collect_soon(self) -> None:
        """Do nothing: the schedule of collect_finished is short enough."""

    def stop_faults(self) -> None:
        """End the cut of the network; faults that never happened are reported as missing."""
        for _, end in self._ends:
            end()
        self._ends.clear()
        for fault in self._faults:
            self.scenario.log.append(f"never happened: {fault.part}")

    def _inject(self, part: str) -> bool:
        """Inject a fault; return False if it is not possible yet."""
        kind, _, host = part.partition("-")
        if kind == "network":
            self._cut_off(host)
        elif not self._cluster.processes(part) or (kind == "worker" and not self.busy):
            return False
        else:
            self._cluster.kill(part)
        if part == "postgres":  # this run reads the ledger, too
            self._cluster.wait_for_database()
        name = "network cut" if kind == "network" else f"kill -9: {kind}"
        self.scenario.fault_counts[name] += 1
        self.scenario.log.append(f"{time.time() - self.scenario.started_at:.1f} s: {name} {host}".rstrip())
        return True

    def _cut_off(self, name: str) -> None:
        """Cut a host off for a while. A host without a network of its own stops instead: it does not answer either."""
        (host,) = [host for host in self._cluster.hosts if host.name == name]
        until = time.time() + _CUT_SECONDS
        if host.link is not None:
            host.cut_off()
            self._ends.append((until, host.connect))
            return
        stopped = [process for kind in _KINDS for process in self._cluster.processes(f"{kind}-{name}")]
        send_signal(stopped, signal.SIGSTOP)
        self._ends.append((until, lambda: send_signal(stopped, signal.SIGCONT)))
