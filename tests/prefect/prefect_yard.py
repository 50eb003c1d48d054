"""What a flow run works on: a ledger with a dataset, a bucket, and the settings that lead a worker there."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from emulator import StoreServer
from PIL import Image

from labelyard.ledger import Ledger, batches, datasets, tasks, upgrade
from labelyard.settings import Settings
from labelyard.spec import DatasetSpec
from labelyard.steps.closing import close_now
from labelyard.steps.landing import sweep
from labelyard.workplace import open_workplace

RARELY = {"LABELYARD_DEPLOY__COLLECT_SECONDS": "86400", "LABELYARD_DEPLOY__SWEEP_SECONDS": "86400"}
"""Schedules that start nothing while a test looks."""
PEOPLE = ("boss:bosspass:superuser", "ann:annpass", "bob:bobpass")


@dataclass(frozen=True)
class Yard:
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
        with open_workplace(Settings(ledger=self.ledger_url, store=self.store.settings)) as place:
            sweep(place)
            return close_now(place, self.dataset).id

    def task_id(self, batch: str) -> int:
        ledger = Ledger(self.ledger_url)
        with ledger.read() as session:
            task = tasks.current(session, batch)
        ledger.close()
        assert task is not None
        assert task.server_id is not None
        return task.server_id

    def state(self, batch: str) -> str:
        ledger = Ledger(self.ledger_url)
        with ledger.read() as session:
            state = str(batches.get(session, batch).state)
        ledger.close()
        return state


def new_yard(folder: Path, store: StoreServer, cvat_url: str) -> Yard:
    """A fresh ledger in `folder` with a dataset of a fresh name over a fresh bucket."""
    url, bucket, name = f"sqlite:///{folder / 'ledger.db'}", store.new_bucket(), f"d{uuid4().hex[:8]}"
    upgrade(url)
    ledger = Ledger(url)
    document = {
        "name": name, "sources": [{"bucket": bucket, "prefix": "in/"}], "annotators": ["ann", "bob"],
        "task": {"labels": ["car"], "segment_size": 2}, "export": {"prefix": f"out/{name}"},
    }  # fmt: skip
    with ledger.write() as session:
        datasets.apply(ledger, session, DatasetSpec.model_validate(document))
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
    return Yard(settings, url, bucket, name, store)


def picture(color: str = "red") -> bytes:
    """A small JPEG."""
    file = io.BytesIO()
    Image.new("RGB", (32, 24), color).save(file, "JPEG")
    return file.getvalue()
