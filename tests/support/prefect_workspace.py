"""What a flow run needs beside Prefect: a ledger with a dataset, a bucket, and a worker's settings for them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from labelyard.config import DatasetSpec
from labelyard.context import open_context
from labelyard.ledger import Ledger, batches, datasets, tasks
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.settings import Settings
from tests.support.emulator import StoreServer
from tests.support.fresh_ledger import create_ledger

RARELY = {f"LABELYARD_DEPLOY__{name}_SECONDS": "86400" for name in ("COLLECT", "SWEEP", "HOUSEKEEPING")}
"""Schedules that start nothing during a test."""
PEOPLE = ("boss:bosspass:superuser", "ann:annpass", "bob:bobpass")


@dataclass(frozen=True)
class PrefectWorkspace:
    """A ledger with one dataset over one bucket; `settings` are a worker's settings for it."""

    settings: dict[str, str]
    ledger_url: str
    bucket: str
    dataset: str
    store: StoreServer

    def put(self, key: str, body: bytes) -> None:
        self.store.boto("s3").put_object(Bucket=self.bucket, Key=f"in/{key}", Body=body)

    def close_batch(self) -> str:
        """Register the objects in the bucket, close the batch and return its id."""
        with open_context(Settings(ledger=self.ledger_url, store=self.store.settings)) as context:
            sweep_sources(context)
            return close_now(context, self.dataset)[0].id

    def want_predictions(self, source: str) -> None:
        """Apply a version of the dataset with predictions from `source`."""
        with closing(Ledger(self.ledger_url)) as ledger, ledger.transaction() as tx:
            document = datasets.spec(tx, self.dataset).model_dump(mode="json")
            datasets.apply(tx, DatasetSpec.model_validate({**document, "preannotate": {"from": source}}))

    def task_id(self, batch: str) -> int:
        with closing(Ledger(self.ledger_url)) as ledger, ledger.read_only() as tx:
            task = tasks.current(tx, batch)
        assert task is not None
        assert task.server_id is not None
        return task.server_id

    def state(self, batch: str) -> str:
        with closing(Ledger(self.ledger_url)) as ledger, ledger.read_only() as tx:
            return str(batches.get(tx, batch).state)


def new_workspace(folder: Path, store: StoreServer, cvat_url: str) -> PrefectWorkspace:
    """Create a ledger in `folder`, with a dataset of a new name over a new bucket."""
    url, bucket, name = create_ledger(folder / "ledger.db"), store.new_bucket(), f"d{uuid4().hex[:8]}"
    document = {
        "name": name, "sources": [{"bucket": bucket, "prefix": "in/"}], "annotators": ["ann", "bob"],
        "task": {"labels": ["car"], "segment_size": 2}, "export": {"prefix": f"out/{name}"},
    }  # fmt: skip
    with closing(Ledger(url)) as ledger, ledger.transaction() as tx:
        datasets.apply(tx, DatasetSpec.model_validate(document))
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
    return PrefectWorkspace(settings, url, bucket, name, store)
