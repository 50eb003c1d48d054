"""One run: files come, everything that the plan says goes wrong, then it calms down, and what is left is compared."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import select

from labelyard.ledger import exports, outbox
from labelyard.ledger.tables import Batch, Object
from tests.chaos import observation
from tests.chaos.annotators import People
from tests.chaos.invariants import AT_REST, differences
from tests.chaos.scenario import Misbehaviour, Scene
from tests.chaos.uploads import Arrivals

CALM_SECONDS = 300.0
"""How long it may take until all is done once nothing goes wrong any more, on a machine that others use too."""
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Outcome:
    """How a run ended: clean without differences. `faults` counts what really happened, by kind.

    `said` is what runs failed with, for whoever looks for a cause.
    """

    seed: int
    differences: tuple[str, ...]
    faults: Counter[str]
    seconds: float
    said: tuple[str, ...] = ()


class Stage(Protocol):
    """What stands on a scene: the processes of labelyard, and what befalls them."""

    scene: Scene

    @property
    def busy(self) -> bool:
        """Whether something goes on that the ledger does not show."""

    def tick(self, now: float) -> None:
        """Start, kill, stop what is due."""

    def rest(self) -> None:
        """Let a moment pass."""

    def collect_soon(self) -> None:
        """Somebody has completed a job."""

    def calm_down(self) -> None:
        """From now on nothing goes wrong any more."""


class Storm:
    """A run of a stage's plan."""

    def __init__(self, stage: Stage, people: People) -> None:
        self._stage, self._people = stage, people
        self.scene = stage.scene
        self._arrivals = Arrivals(self.scene)
        self._look_at, self._unrest = 0.0, "not looked at"

    def run(self) -> Outcome:
        """Storm, calm down, compare."""
        scene, plan = self.scene, self.scene.plan
        scene.cvat_faults.set([dict(rule) for rule in plan.cvat])
        scene.store_faults.set([dict(rule) for rule in plan.store])
        if any(_kind(rule) == "time-out" for rule in plan.cvat if "when" not in rule):
            self._people.wait(plan.seconds + 1.5)  # in the world nobody labels as fast as a server forgets
        self._go_on_until_rest(plan.seconds)
        self._calm_down()
        self._go_on_until_rest(CALM_SECONDS)
        if plan.reopened and (batch := self._people.open_again()):
            self._go_on_until_rest(CALM_SECONDS, batch)
        if self._unrest:
            scene.said.append(f"never at rest: {self._unrest}")
        seen = observation.look(scene.ledger, scene.cvat, scene.s3, scene.spec, self._arrivals.unusable)
        found, seconds = tuple(differences(seen)), time.time() - scene.began
        return Outcome(plan.seed, found, scene.faults, seconds, tuple(scene.said))

    def _go_on_until_rest(self, seconds: float, exported_again: str | None = None) -> None:
        end, self._unrest = time.time() + seconds, "not looked at"
        while self._unrest and (now := time.time()) < end:
            self._arrivals.tick(now)
            self._stage.tick(now)
            if now >= self._look_at:
                self._look_at = now + _LOOK_SECONDS
                if self._people.act():
                    self._stage.collect_soon()
                self._unrest = self._going_on(exported_again)
            self._stage.rest()

    def _calm_down(self) -> None:
        self.scene.calm = True
        self._stage.calm_down()
        self._count(self.scene.cvat_faults, "CVAT")
        self._count(self.scene.store_faults, "store")

    def _count(self, faults: Misbehaviour, whose: str) -> None:
        for rule in faults.described():
            beyond = max(0, rule["met"] - rule.get("skip", 0))
            self.scene.faults[f"{whose}: {_kind(rule)}"] += min(rule.get("times", beyond), beyond)
        faults.set([])

    def _going_on(self, exported_again: str | None) -> str:
        """What keeps the run from being at rest; empty when nothing does."""
        if self._arrivals.waiting or self._stage.busy:
            return "files, events or runs are under way"
        scene = self.scene
        with scene.ledger.read_only() as tx:
            states = set(tx.scalars(select(Batch.state).distinct())) - AT_REST
            rows = {(key, etag) for key, etag in tx.execute(select(Object.key, Object.etag))}
            unsent = outbox.waiting(tx)[0]
            again = exported_again and len(exports.of_batch(tx, exported_again)) < 2
        if states or unsent or again:
            return f"batches are {', '.join(states)}; {unsent} announcements wait"
        if told := observation.undelivered(scene.sqs, scene.queue_url):
            return f"{told} messages are in the queue"
        there = observation.listed(scene.s3, scene.bucket, scene.address(""))
        return ", ".join(f"{key} has not landed" for key, etag in there.items() if (key, etag) not in rows)


def _kind(rule: Mapping[str, Any]) -> str:
    if rule["on"].startswith("worker"):
        return f"{rule['on']} {'fails' if 'fail' in rule else 'late'}"
    what = "cut" if "cut" in rule else str(rule.get("status", ""))
    if "short" in rule:
        what = f"short body {what}".strip()
    if not what:
        return "time-out" if rule["delay"] > 1 else "slow"
    return f"{what} {rule.get('when', 'before')} the effect"
