"""The processes of a run: watchers, and runs that Prefect would begin; and the deaths that the plan has for them."""

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
from tests.chaos.environment import Hand, Lane
from tests.chaos.fault_plan import Kill
from tests.chaos.scenario import Scene
from tests.chaos.worker_main import Errand

_RUNNERS = 2
_CALM_LEASE = 60.0
_SWEEP_SECONDS, _COLLECT_SECONDS = 0.5, 0.6


class Announcements:
    """Events that Prefect's stand-in was sent, each with its fate."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._lock = Lock()
        self._fates = list(scene.plan.events)
        self._known: set[str] = set()
        self._due: list[tuple[float, str, str]] = []

    @property
    def waiting(self) -> bool:
        """Whether an event has still to start a run."""
        return bool(self._due)

    def hear(self, events: Sequence[dict[str, Any]]) -> str:
        """Take a request of the events API; what becomes of it."""
        with self._lock:
            fate = "taken" if self._scene.calm or not self._fates else self._fates.pop(0)
            if fate != "taken":
                self._scene.faults[f"event {fate.replace('_', ' ')}"] += 1
            if fate != "refused":
                for event in events:
                    self._take(event, fate)
            return fate

    def _take(self, event: dict[str, Any], fate: str) -> None:
        if event["id"] in self._known:
            return  # Prefect knows a repetition by its id
        self._known.add(event["id"])
        if fate == "lost":
            return
        what = "export" if event["event"].endswith("task.completed") else "ingest"
        at = time.time() + (self._scene.rng.uniform(0.1, 0.6) if fate == "late" else 0.0)
        times = 2 if fate == "twice" or (self._scene.plan.double and not self._scene.calm) else 1
        self._due += [(at, what, event["payload"]["batch"])] * times

    def due(self, now: float) -> tuple[str, str] | None:
        """The next run to begin: what, and for which batch."""
        with self._lock:
            for entry in self._due:
                if entry[0] <= now:
                    self._due.remove(entry)
                    return entry[1], entry[2]
        return None


class Crew:
    """The stage in a lane: starts what has to run, kills it as planned, and starts it again."""

    def __init__(self, lane: Lane, scene: Scene, errand: Errand, before_ingest: Callable[[str], None]) -> None:
        self.scene, self._lane, self._errand, self._before_ingest = scene, lane, errand, before_ingest
        self._announced = Announcements(scene)
        lane.prefect.hear = self._announced.hear
        self._kills = list(scene.plan.kills)
        self._runs: list[Hand] = []
        self._watchers: list[Hand] = []
        self._doomed: dict[int, tuple[Kill, float]] = {}
        self._sweep_at, self._collect_at = scene.began + 0.3, scene.began + 0.6

    @property
    def busy(self) -> bool:
        """Whether a run goes on, or an event has still to start one."""
        return bool(self._runs) or self._announced.waiting

    def collect_soon(self) -> None:
        """Somebody has completed a job."""
        self._collect_at = 0.0

    def tick(self, now: float) -> None:
        """Start, signal, gather."""
        while len(self._watchers) < self.scene.plan.watchers:
            self._watchers.append(self._start("watch"))
        self._signal(now)
        for hand in [*self._runs, *self._watchers]:
            self._gather(hand)
        while len(self._runs) < _RUNNERS and (due := self._announced.due(now)):
            if due[0] == "ingest":
                self._before_ingest(due[1])
            self._runs.append(self._start(*due))
        if len(self._runs) < _RUNNERS and now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_SECONDS
            self._scheduled("sweep")
        if len(self._runs) < _RUNNERS and now >= self._collect_at:
            self._collect_at = now + _COLLECT_SECONDS
            self._scheduled("collect")

    def rest(self) -> None:
        """Let a moment pass, or less when something ends."""
        wait([hand.wire for hand in [*self._runs, *self._watchers] if hand.exit_status is None], 0.02)

    def calm_down(self) -> None:
        """Let go on what is stopped; end what would die at a crash point some time."""
        settings = self._errand.settings.model_copy(update={"lease_seconds": _CALM_LEASE})
        self._errand = replace(self._errand, settings=settings)
        for hand in [*self._runs, *self._watchers]:
            kill, _ = self._doomed.get(hand.pid, (None, 0.0))
            if kill is not None and hand.stopped_at is None:
                hand.send_signal(signal.SIGKILL)
        self._kills.clear()

    def end(self) -> None:
        """Give the processes back to the lane."""
        for hand in self._runs:
            hand.end()
        for hand in self._watchers:
            with suppress(OSError):
                hand.wire.send("stop")
            if hand.pid not in self._doomed and hand.wire.poll(2) and hand.ended() is not None:
                self._lane.idle.append(hand)
            else:
                hand.end()

    def _start(self, what: str, batch: str = "") -> Hand:
        role = "watch" if what == "watch" else "run"
        kill = next((kill for kill in self._kills if kill.role == role), None)
        hand = self._lane.hand()
        errand = replace(self._errand, what=what, batch=batch)
        hand.start(replace(errand, failpoint=kill.failpoint, stops=kill.stopped > 0) if kill else errand)
        if kill is not None:
            self._kills.remove(kill)
            self._doomed[hand.pid] = kill, time.time()
        return hand

    def _scheduled(self, what: str) -> None:
        times = 2 if self.scene.plan.double and not self.scene.calm else 1
        self.scene.faults[f"two {what}s at the same time"] += times - 1
        self._runs += [self._start(what) for _ in range(times)]

    def _signal(self, now: float) -> None:
        for hand in [*self._runs, *self._watchers]:
            kill, since = self._doomed.get(hand.pid, (None, 0.0))
            if kill is None:
                continue
            if kill.stopped:
                self._stop(hand, kill, now, since)
            elif not kill.failpoint and now >= since + kill.after:
                hand.send_signal(signal.SIGKILL)

    def _stop(self, hand: Hand, kill: Kill, now: float, since: float) -> None:
        """Stop it at its moment, unless it stops by itself at a point; let it go on when it has stood long enough."""
        if hand.stopped_at is None and not kill.failpoint and now >= since + kill.after:
            hand.send_signal(signal.SIGSTOP)
        if hand.stopped_at is None and hand.is_stopped():
            hand.stopped_at = now
            self.scene.faults["stopped for a while"] += 1
            self.scene.said.append(f"{hand.errand and hand.errand.what}: stopped {kill.failpoint or ''}")
        elif hand.stopped_at is not None and (now >= hand.stopped_at + kill.stopped or self.scene.calm):
            hand.send_signal(signal.SIGCONT)
            del self._doomed[hand.pid]

    def _gather(self, hand: Hand) -> None:
        what = hand.errand.what if hand.errand else ""
        words = hand.ended()
        if words is None and hand.exit_status is None:
            return
        (self._watchers if hand in self._watchers else self._runs).remove(hand)
        kill, _ = self._doomed.pop(hand.pid, (None, 0.0))
        if words is None:
            self._died(hand, what, kill)
            return
        if words or what == "watch":
            self.scene.said.append(f"{what}: {words.splitlines()[0] if words else 'ended'}")
        if kill is not None and not self.scene.calm:
            self._kills.append(kill)  # its moment never came
        self._lane.idle.append(hand)

    def _died(self, hand: Hand, what: str, kill: Kill | None) -> None:
        if hand.exit_status == EXIT_STATUS and kill is not None and kill.failpoint:
            self.scene.faults["died at a crash point"] += 1
            self.scene.said.append(f"{what} {hand.errand and hand.errand.batch}: died at {kill.failpoint}")
        elif hand.exit_status == -signal.SIGKILL and kill is not None:
            self.scene.faults["kill -9"] += 1
            self.scene.said.append(f"{what}: killed")
        else:
            self.scene.said.append(f"{what}: an unforeseen end, {hand.exit_status}")
            self.scene.faults["unforeseen end"] += 1
