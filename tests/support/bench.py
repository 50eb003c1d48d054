"""A workplace of real parts: SQLite, an S3 emulator, the sandbox; and hands to act as a person would."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import SecretStr

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.cvat import Cvat, connect
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import Ledger, batches, datasets, objects, upgrade
from labelyard.ledger.overview import BatchSummary, overview
from labelyard.ledger.tables import Object
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.export_annotations import Exported, export_annotations
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import wait_for_status
from labelyard.sandbox import Serving
from labelyard.settings import CvatSettings, Settings, StoreSettings

USERS = ["root:rootpass:superuser", "ann:annpass1:annotator", "bob:bobpass1:annotator"]


def picture(seed: int = 0, size: tuple[int, int] = (64, 48), kind: str = "JPEG") -> bytes:
    """The bytes of an image that differs from seed to seed."""
    out = io.BytesIO()
    Image.new("RGB", size, (seed * 37 % 256, seed * 91 % 256, seed * 13 % 256)).save(out, kind)
    return out.getvalue()


@dataclass
class Bench:
    """A workplace with a bucket of its own; `put` is what a person does, the rest is what the watcher and flows do."""

    context: Context
    bucket: str
    s3: Any
    sandbox: Serving
    spec: DatasetSpec = field(init=False)

    def apply(self, **changes: Any) -> DatasetSpec:
        """Apply a dataset file; `changes` are its sections, merged into a small default."""
        document: dict[str, Any] = {
            "name": "street",
            "sources": [{"bucket": self.bucket, "prefix": "in/"}],
            "annotators": ["ann", "bob"],
            "batch": {"max_objects": 100, "quiet": "10s"},
            "task": {"labels": ["car", "person"]},
            "export": {"prefix": "out"},
        }
        for section, value in changes.items():
            document[section] = {**document[section], **value} if isinstance(value, dict) else value
        self.spec = DatasetSpec.model_validate(document)
        with self.context.ledger.transaction() as tx:
            datasets.apply(tx, self.spec)
        return self.spec

    def put(self, key: str, body: bytes | None = None) -> str:
        """Put a file below the source's prefix; returns its whole key."""
        whole = f"in/{key}"
        self.s3.put_object(Bucket=self.bucket, Key=whole, Body=picture(len(key)) if body is None else body)
        return whole

    def person(self, name: str) -> Cvat:
        """Somebody at CVAT."""
        users = dict(user.split(":")[:2] for user in USERS)
        return connect(self.sandbox.url, username=name, password=users[name])

    def line(self, batch: str = "street-00001") -> BatchSummary:
        """What a lead sees of a batch."""
        with self.context.ledger.read_only() as tx:
            seen = overview(tx)
        return next(line for line in seen.batches if line.id == batch)

    def set_state(self, batch: str, state: BatchState) -> None:
        """Put a batch where a crash would have left it."""
        with self.context.ledger.transaction() as tx:
            batches.get(tx, batch).state = state

    def objects(self, key: str) -> Sequence[Object]:
        """Every content of a file that the ledger knows, oldest first."""
        with self.context.ledger.read_only() as tx:
            return objects.of_key(tx, self.bucket, f"in/{key}")

    def tasks_on_server(self) -> int:
        """How many tasks the CVAT has."""
        return len(list(self.context.cvat("default").tasks()))


def ingest(bench: Bench, batch: str = "street-00001") -> None:
    """What flows/ingest_batch does."""
    with acquire_batch(bench.context, batch) as lease:
        ingest_steps(lease)


def ingest_steps(lease: BatchLease) -> None:
    create_task(lease)
    upload_data(lease)
    wait_for_status(lease)
    assign_jobs(lease)


def export(bench: Bench, batch: str = "street-00001") -> Exported:
    """What flows/export_task does."""
    with acquire_batch(bench.context, batch, (BatchState.COMPLETED,)) as lease:
        return export_annotations(lease)


def draw_and_complete(bench: Bench, batch: str = "street-00001", *, boxes_per_frame: int = 1) -> None:
    """What people do: a box on every frame, then the job is completed."""
    cvat = bench.context.cvat("default")
    task = cvat.task(bench.line(batch).task_id or 0)
    for job in cvat.jobs(task.id):
        frames = range(job.start_frame, job.stop_frame + 1)
        shapes = tuple(
            Shape(ShapeType.RECTANGLE, frame, task.labels[0].id, (1.0 + n, 2.0, 20.5, 30.25))
            for frame in frames
            for n in range(boxes_per_frame)
        )
        cvat.change_annotations(job.id, Change.CREATE, Annotations(shapes=shapes))
        cvat.set_job_status(job.id, JobStatus.COMPLETED)


def settings(folder: Path, ledger: str, store: StoreSettings, cvat_url: str) -> Settings:
    """Settings that wait for nobody."""
    return Settings(
        ledger=ledger,
        store=store,
        spool=folder / "spool",
        poll_seconds=0.02,
        unclear_upload_seconds=0.5,
        lease_seconds=30,
        cvat={"default": CvatSettings(url=cvat_url, username="root", password=SecretStr("rootpass"))},
    )


__all__ = [
    "Bench",
    "Ledger",
    "draw_and_complete",
    "export",
    "ingest",
    "picture",
    "settings",
    "upgrade",
]
