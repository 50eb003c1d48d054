"""What a flow run works on: a ledger with a dataset, a bucket, and the settings that lead a worker there."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from PIL import Image

from labelyard.config import DatasetSpec
from labelyard.context import open_context
from labelyard.ledger import Ledger, batches, datasets, tasks, upgrade
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.settings import Settings
from tests.support.emulator import StoreServer

RARELY = {f"LABELYARD_DEPLOY__{name}_SECONDS": "86400" for name in ("COLLECT", "SWEEP", "HOUSEKEEPING")}
"""Schedules that start nothing while a test looks."""
PEOPLE = ("boss:bosspass:superuser", "ann:annpass", "bob:bobpass")


@dataclass(frozen=True)
class Supervisor:
    """A ledger of its own, with one dataset over one bucket; `settings` are what a worker needs for it."""

    settings: dict[str, str]
    ledger_url: str
    bucket: str
    dataset: str
    store: StoreServer

    def put(self, key: str, body: bytes) -> None:
        self.store.boto("s3").put_object(Bucket=self.bucket, Key=f"in/{key}", Body=body)

    def close_batch(self) -> str:
        """Land what lies in the bucket, close the batch; its id."""
        with open_context(Settings(ledger=self.ledger_url, store=self.store.settings)) as context:
            sweep_sources(context)
            return close_now(context, self.dataset).id

    def task_id(self, batch: str) -> int:
        ledger = Ledger(self.ledger_url)
        with ledger.read_only() as tx:
            task = tasks.current(tx, batch)
        ledger.close()
        assert task is not None
        assert task.server_id is not None
        return task.server_id

    def state(self, batch: str) -> str:
        ledger = Ledger(self.ledger_url)
        with ledger.read_only() as tx:
            state = str(batches.get(tx, batch).state)
        ledger.close()
        return state


def new_yard(folder: Path, store: StoreServer, cvat_url: str) -> Supervisor:
    """A fresh ledger in `folder` with a dataset of a fresh name over a fresh bucket."""
    url, bucket, name = f"sqlite:///{folder / 'ledger.db'}", store.new_bucket(), f"d{uuid4().hex[:8]}"
    upgrade(url)
    ledger = Ledger(url)
    document = {
        "name": name, "sources": [{"bucket": bucket, "prefix": "in/"}], "annotators": ["ann", "bob"],
        "task": {"labels": ["car"], "segment_size": 2}, "export": {"prefix": f"out/{name}"},
    }  # fmt: skip
    with ledger.transaction() as tx:
        datasets.apply(tx, DatasetSpec.model_validate(document))
    ledger.close()
    settings = {
        "LABELYARD_LEDGER": url,
        "LABELYARD_SPOOL": str(folder / "spool"),
        "LABELYARD_CVAT__DEFAULT__URL": cvat_url,
        "LABELYARD_CVAT__DEFAULT__USERNAME": "boss",
        "LABELYARD_CVAT__DEFAULT__PASSWORD": "bosspass",
        "LABELYARD_STORE__ENDPOINT_URL": store.url,
        "LABELYARD_STORE__REGION": "us-east-1",
        "LABELYARD_STORE__ACCESS_KEY_ID": "test",
        "LABELYARD_STORE__SECRET_ACCESS_KEY": "test",
        "LABELYARD_STORE__ADDRESSING_STYLE": "path",
        "LABELYARD_POLL_SECONDS": "0.1",
    }
    return Supervisor(settings, url, bucket, name, store)


def picture(color: str = "red") -> bytes:
    """A small JPEG."""
    file = io.BytesIO()
    Image.new("RGB", (32, 24), color).save(file, "JPEG")
    return file.getvalue()
