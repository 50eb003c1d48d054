"""One run: files come, everything that the plan says goes wrong, then it calms down, and what is left is compared."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from labelyard.ledger import exports, outbox
from labelyard.ledger.tables import Batch, Object
from labelyard.sandbox.faults import Faults
from storms import look
from storms.arriving import Arrivals
from storms.crew import Announcements, Crew
from storms.differences import AT_REST, differences
from storms.lane import Lane
from storms.people import People
from storms.plan import Plan
from storms.scene import Scene

CALM_SECONDS = 60.0
"""How long it may take until all is done once nothing goes wrong any more."""
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


class Storm:
    """A run of a plan in a lane."""

    def __init__(self, lane: Lane, plan: Plan) -> None:
        self.scene = Scene(lane, plan)
        self._arrivals = Arrivals(self.scene)
        self._announced = Announcements(self.scene)
        self._people = People(self.scene)
        self._crew = Crew(self.scene, self._announced, self._people.make_twins)
        self._look_at, self._unrest = 0.0, "not looked at"

    def run(self) -> Outcome:
        """Storm, calm down, compare."""
        scene, lane = self.scene, self.scene.lane
        lane.prefect.hear = self._announced.hear
        lane.sandbox.faults.set([dict(rule) for rule in scene.plan.cvat])
        lane.store_faults.set([dict(rule) for rule in scene.plan.store])
        try:
            if any(_kind(rule) == "time-out" for rule in scene.plan.cvat if "when" not in rule):
                self._people.wait(scene.plan.seconds + 1.5)  # in the world nobody labels as fast as a server forgets
            self._go_on_until_rest(scene.plan.seconds)
            self._calm_down()
            self._go_on_until_rest(CALM_SECONDS)
            if scene.plan.reopened and (batch := self._people.open_again()):
                self._go_on_until_rest(CALM_SECONDS, batch)
            if self._unrest:
                scene.said.append(f"never at rest: {self._unrest}")
            seen = look.look(scene.ledger, lane.cvat, lane.s3, scene.spec, self._arrivals.unusable)
            found, seconds = tuple(differences(seen)), time.time() - scene.began
            return Outcome(scene.plan.seed, found, scene.faults, seconds, tuple(scene.said))
        finally:
            lane.sandbox.faults.clear()
            lane.store_faults.clear()
            self._crew.end()
            scene.close()

    def _go_on_until_rest(self, seconds: float, exported_again: str | None = None) -> None:
        end, self._unrest = time.time() + seconds, "not looked at"
        while self._unrest and (now := time.time()) < end:
            self._arrivals.tick(now)
            self._crew.tick(now)
            if now >= self._look_at:
                self._look_at = now + _LOOK_SECONDS
                if self._people.act():
                    self._crew.collect_soon()
                self._unrest = self._going_on(exported_again)
            self._crew.rest()

    def _calm_down(self) -> None:
        self._count(self.scene.lane.sandbox.faults, "CVAT")
        self._count(self.scene.lane.store_faults, "store")
        self.scene.calm_down()
        self._crew.calm_down()

    def _count(self, faults: Faults, whose: str) -> None:
        for rule in faults.described():
            beyond = max(0, rule["met"] - rule.get("skip", 0))
            self.scene.faults[f"{whose}: {_kind(rule)}"] += min(rule.get("times", beyond), beyond)
        faults.clear()

    def _going_on(self, exported_again: str | None) -> str:
        """What keeps the run from being at rest; empty when nothing does."""
        if self._arrivals.waiting or self._announced.waiting or self._crew.busy:
            return "files, events or runs are under way"
        scene = self.scene
        with scene.ledger.read() as session:
            states = set(session.scalars(select(Batch.state).distinct())) - AT_REST
            rows = {(key, etag) for key, etag in session.execute(select(Object.key, Object.etag))}
            unsent = outbox.waiting(session)[0]
            again = exported_again and len(exports.of_batch(session, exported_again)) < 2
        if states or unsent or again:
            return f"batches are {', '.join(states)}; {unsent} announcements wait"
        if told := look.undelivered(scene.lane.sqs, scene.queue_url):
            return f"{told} messages are in the queue"
        there = look.listed(scene.lane.s3, scene.lane.bucket, scene.address(""))
        return ", ".join(f"{key} has not landed" for key, etag in there.items() if (key, etag) not in rows)


def _kind(rule: dict[str, Any]) -> str:
    if rule["on"].startswith("worker"):
        return f"{rule['on']} {'fails' if 'fail' in rule else 'late'}"
    what = "cut" if "cut" in rule else str(rule.get("status", ""))
    if "short" in rule:
        what = f"short body {what}".strip()
    if not what:
        return "time-out" if rule["delay"] > 1 else "slow"
    return f"{what} {rule.get('when', 'before')} the effect"
