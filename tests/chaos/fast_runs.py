"""The fast variant: runs in lanes, one after the other, in few processes and without Prefect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from labelyard.ledger import Ledger, datasets
from labelyard.settings import CvatSettings, Settings
from tests.chaos.annotators import People
from tests.chaos.chaos_run import Outcome, Storm
from tests.chaos.environment import Lane, open_lane
from tests.chaos.fault_plan import Plan, plan
from tests.chaos.scenario import Scene, dataset
from tests.chaos.step_faults import Crew
from tests.chaos.worker_main import Errand, clock


def run_in_lane(lane: Lane, plan: Plan) -> Outcome:
    """A run of a plan in a lane."""
    with _ledger(lane, f"s{plan.seed}") as (url, ledger, epoch):
        scene = _scene(lane, plan, ledger)
        people = People(scene)
        crew = Crew(lane, scene, Errand(_settings(lane, plan, url), scene.queue_url, epoch), people.make_twins)
        try:
            return Storm(crew, people).run()
        finally:
            lane.sandbox.faults.clear()
            lane.store_faults.clear()
            crew.end()


@contextmanager
def _ledger(lane: Lane, name: str) -> Iterator[tuple[str, Ledger, float]]:
    url, epoch = lane.ledgers.make(name), time.time()
    ledger = Ledger(url, clock=clock(epoch))
    try:
        yield url, ledger, epoch
    finally:
        ledger.close()
        lane.ledgers.remove(name)


def _scene(lane: Lane, plan: Plan, ledger: Ledger) -> Scene:
    spec = dataset(plan, lane.bucket, ("ann", "bob"), quiet="6s")
    with ledger.transaction() as tx:
        datasets.apply(tx, spec)
    queue = lane.sqs.create_queue(QueueName=spec.name, Attributes={"VisibilityTimeout": "1"})
    return Scene(
        plan=plan, spec=spec, ledger=ledger, cvat=lane.cvat, cvat_faults=lane.sandbox.faults,
        cvat_folder=lane.sandbox.sandbox.folder, store_faults=lane.store_faults, s3=lane.s3, sqs=lane.sqs,
        queue_url=queue["QueueUrl"], folder=lane.folder,
    )  # fmt: skip


def _settings(lane: Lane, plan: Plan, ledger: str) -> Settings:
    token = SecretStr(lane.config.cvat_token)
    return Settings(
        ledger=ledger, store=lane.config.store, spool=lane.folder / "spool", lease_seconds=plan.lease,
        poll_seconds=0.02, unclear_upload_seconds=0.3, publish_again_seconds=8, export_deadline_seconds=10,
        upload_deadline_seconds=10, prefect_api_url=lane.prefect_url,
        cvat={"default": CvatSettings(url=lane.config.cvat_url, token=token)},
    )  # fmt: skip


@contextmanager
def open_fast_lane(emulator_url: str, postgres: str | None) -> Iterator[Callable[[int], Outcome]]:
    """Runs of seeds in a lane of their own before an emulator that is running."""
    with open_lane(emulator_url, postgres) as lane:
        yield lambda seed: run_in_lane(lane, plan(seed))
