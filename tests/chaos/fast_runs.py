"""Fast runs: plans of step faults, one after the other in an environment of few processes, without Prefect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from pydantic import SecretStr

from labelyard.ledger import Ledger, datasets
from labelyard.server_settings import CloudSettings, CvatSettings, WebhookSettings
from labelyard.settings import Settings
from tests.chaos.annotators import Annotators
from tests.chaos.chaos_run import ChaosRun, Outcome
from tests.chaos.environment import Environment, open_environment
from tests.chaos.fault_plan import FaultPlan
from tests.chaos.scenario import ORGANIZATION, Scenario, dataset_spec
from tests.chaos.step_faults import StepFaults
from tests.chaos.step_plan import step_fault_plan
from tests.chaos.worker_main import ContextWithClient, WorkerCommand, clock
from tests.support.compiled_statements import share_compiled_statements
from tests.support.unsynchronized_ledgers import skip_synchronization

_NUMBERS = count(1)


def run_plan(environment: Environment, plan: FaultPlan) -> Outcome:
    """Run a plan in an environment."""
    plan = plan.for_cvat(environment.cvat_version)
    # Of each run another name: an idle worker of an earlier run of the seed still has that one's ledger open.
    with _fresh_ledger(environment, f"s{plan.seed}_{next(_NUMBERS)}") as (url, ledger, epoch):
        scenario = _scenario(environment, plan, ledger)
        annotators = Annotators(scenario)
        command = WorkerCommand(_settings(environment, plan, url), scenario.queue_url, epoch)
        faults = StepFaults(environment, scenario, command, annotators.create_duplicate_tasks)
        try:
            return ChaosRun(faults, annotators).run()
        finally:
            environment.sandbox.faults.clear()
            environment.store_rules.clear()
            faults.end()


@contextmanager
def _fresh_ledger(environment: Environment, name: str) -> Iterator[tuple[str, Ledger, float]]:
    url, epoch = environment.ledgers.create(name), time.time()
    ledger = Ledger(url, clock=clock(epoch))
    try:
        yield url, ledger, epoch
    finally:
        ledger.close()
        environment.ledgers.remove(name)


def _scenario(environment: Environment, plan: FaultPlan, ledger: Ledger) -> Scenario:
    spec = dataset_spec(plan, environment.bucket, ("ann", "bob"), "6s")
    cvat = environment.cvat.in_organization(ORGANIZATION) if plan.organization else environment.cvat
    if plan.cloud:
        environment.forget_storages()
    with ledger.transaction() as tx:
        datasets.apply(tx, spec)
    settings = _settings(environment, plan, str(ledger.url))
    queue = environment.sqs.create_queue(QueueName=spec.name, Attributes={"VisibilityTimeout": "1"})
    return Scenario(
        plan=plan, spec=spec, ledger=ledger, cvat=cvat,
        cvat_version=environment.cvat_version, cvat_rules=environment.sandbox.faults,
        cvat_folder=environment.sandbox.sandbox.folder, store_rules=environment.store_rules, s3=environment.s3,
        sqs=environment.sqs, queue_url=queue["QueueUrl"], folder=environment.folder,
        context=ContextWithClient.with_client(settings, ledger, environment.direct_store, environment.cvat),
    )  # fmt: skip


def _settings(environment: Environment, plan: FaultPlan, ledger: str) -> Settings:
    addresses = environment.addresses
    direct = environment.emulator_url if plan.cloud == "directly" else None
    webhook = WebhookSettings(url=environment.relay_url, secret=environment.webhook_secret)
    cvat = CvatSettings(
        url=addresses.cvat_url, token=SecretStr(addresses.cvat_token),
        organization=ORGANIZATION if plan.organization == "setting" else "",
        cloud=CloudSettings(credentials="store", endpoint_url=direct),
        webhook=webhook if plan.webhook else WebhookSettings(),
    )  # fmt: skip
    return Settings(
        ledger=ledger, store=addresses.store, spool=environment.folder / "spool", lease_seconds=plan.lease_seconds,
        poll_seconds=0.02, wait_seconds=0.5, publish_again_seconds=8, export_deadline_seconds=10,
        # On the ledger's fast clock.
        unclear_upload_seconds=6, unclear_write_seconds=40, forgotten_seconds=20, stalled_seconds=20,
        upload_deadline_seconds=200,
        prefect_api_url=environment.prefect_url, cvat={"default": cvat},
    )  # fmt: skip


@contextmanager
def open_fast_runs(emulator_url: str, postgres: str | None, cvat_version: str) -> Iterator[Callable[[int], Outcome]]:
    """Open an environment in front of a running emulator; yield a function that runs a seed in it."""
    share_compiled_statements()
    skip_synchronization()
    with open_environment(emulator_url, postgres, cvat_version) as environment:
        yield lambda seed: run_plan(environment, step_fault_plan(seed))
