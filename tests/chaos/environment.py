"""The environment of fast runs: sandbox, store and a stub of Prefect's API with fault rules, ledgers and workers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from pydantic import SecretStr

from cvat_sandbox import Serving
from cvat_sandbox.faults import Faults
from cvat_sandbox.state import cloud_storages
from labelyard.cvat import Cvat, connect
from labelyard.domain.webhooks import JOB_CHANGED, WebhookSpec
from labelyard.storage import Store
from labelyard.storage.boto import boto_client
from tests.chaos.scenario import ORGANIZATION
from tests.chaos.servers import DeliveryRelay, PrefectStub, faulty_store, serving
from tests.chaos.worker import Worker, WorkerForker
from tests.chaos.worker_main import ServerAddresses
from tests.support import postgres
from tests.support.cvat_families import DIALECTS, V1, serve_cvat
from tests.support.fresh_ledger import create_ledger

USERS = ("root:rootpass:superuser", "ann:annpass1:annotator", "bob:bobpass1:annotator")
WEBHOOK_RETRIES = (0.4, 1.5)
"""The pauses in seconds after which CVAT repeats a delivery that failed."""


@dataclass
class Ledgers:
    """Creates a fresh ledger for each run: a file on SQLite, a database on PostgreSQL."""

    folder: Path
    postgres_server: str | None = None
    """The URL of a PostgreSQL server whose user may create databases."""

    def create(self, name: str) -> str:
        """Create an empty ledger and return its URL."""
        if self.postgres_server is not None:
            return postgres.create_ledger(self.postgres_server, name)
        return create_ledger(self.folder / f"{name}.db")

    def remove(self, name: str) -> None:
        """Delete a ledger."""
        if self.postgres_server is not None:
            postgres.drop_database(self.postgres_server, name)
        for file in self.folder.glob(f"{name}.db*"):
            file.unlink(missing_ok=True)


@dataclass
class Environment:
    """The servers and worker processes that fast runs share, one run at a time."""

    folder: Path
    ledgers: Ledgers
    sandbox: Serving
    cvat: Cvat
    emulator_url: str
    """The store without its faults."""
    store_url: str
    store_rules: Faults
    prefect: PrefectStub
    prefect_url: str
    relay: DeliveryRelay
    """What the webhook of the organization posts to; the watchers have other addresses."""
    relay_url: str
    webhook_secret: SecretStr
    s3: Any
    sqs: Any
    bucket: str
    forker: WorkerForker
    addresses: ServerAddresses
    direct_store: Store
    """The store without its faults."""
    idle_workers: list[Worker] = field(default_factory=list)

    @property
    def cvat_version(self) -> str:
        """The version of CVAT that the sandbox serves."""
        return self.sandbox.sandbox.options.version

    def forget_storages(self) -> None:
        """Delete every cloud storage of the CVAT: the next run registers the bucket again."""
        database = self.sandbox.sandbox.db
        for storage in database.all("SELECT id FROM cloud_storage"):
            cloud_storages.delete(database, storage["id"])

    def worker(self) -> Worker:
        """Return an idle worker, or a new one."""
        return self.idle_workers.pop() if self.idle_workers else Worker(self.forker)

    def close(self) -> None:
        """End the processes."""
        for worker in self.idle_workers:
            worker.end()
        self.forker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def open_environment(
    emulator_url: str, postgres_server: str | None = None, cvat_version: str = V1
) -> Iterator[Environment]:
    """Start an environment in front of a running emulator; ledgers are on SQLite, or on the PostgreSQL server."""
    with tempfile.TemporaryDirectory(prefix="labelyard-chaos-", ignore_cleanup_errors=True) as name:
        folder, rules, prefect = Path(name), Faults(), PrefectStub()
        relay, secret, is_v1 = DeliveryRelay(), SecretStr(token_hex(16)), cvat_version == V1
        options = {} if is_v1 else {"organization": ORGANIZATION, "webhook_retries": WEBHOOK_RETRIES}
        with (
            serve_cvat(cvat_version, USERS, **options) as sandbox,
            serving(faulty_store(emulator_url, rules)) as store_url,
            serving(prefect) as prefect_url,
            serving(relay) as relay_url,
        ):
            cvat = connect(sandbox.url, username="root", password="rootpass")
            token, dialect = cvat.login().get_secret_value(), DIALECTS[cvat_version]
            addresses = ServerAddresses(store_url, sandbox.url, token, dialect)
            direct = ServerAddresses(emulator_url, sandbox.url, "", dialect).store
            s3, sqs = boto_client("s3", direct, emulator_url), boto_client("sqs", direct, emulator_url)
            bucket = f"chaos-{os.getpid()}-{folder.name[-6:].lower().replace('_', '0')}"
            s3.create_bucket(Bucket=bucket)
            if not is_v1:
                webhook = WebhookSpec(f"{relay_url}/cvat/default", "chaos runs", frozenset({JOB_CHANGED}))
                cvat.in_organization(ORGANIZATION).create_webhook(webhook, secret)
            environment = Environment(
                folder, Ledgers(folder, postgres_server), sandbox, cvat, emulator_url, store_url, rules, prefect,
                prefect_url, relay, relay_url, secret, s3, sqs, bucket, WorkerForker(addresses), addresses,
                Store(direct),
            )  # fmt: skip
            with environment:
                yield environment
