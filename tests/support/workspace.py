"""A workspace of real parts (SQLite, an S3 emulator, the CVAT sandbox), and what people and flows do in it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import SecretStr

from cvat_sandbox import Serving
from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.cvat import Cvat, connect
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import DataSpec, JobStatus, TaskSpec, UploadFile
from labelyard.errors import LabelyardError
from labelyard.ledger import batches, datasets, objects
from labelyard.ledger.overview import BatchSummary, overview
from labelyard.ledger.tables import Object
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.export_annotations import Exported, export_annotations
from labelyard.pipeline.preannotate_task import preannotate_task
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import UnfinishedTask, wait_for_status
from labelyard.server_settings import CvatSettings, StoreSettings
from labelyard.settings import Settings
from tests.support.cvat_families import DIALECTS, rules_for
from tests.support.cvat_tasks import wait_for_frames
from tests.support.pictures import picture

USERS = ["root:rootpass:superuser", "ann:annpass1:annotator", "bob:bobpass1:annotator"]
FIRST = "street-00001"

AtFailpoint = Callable[[ModuleType, str, Callable[[], object]], None]
"""Calls a function once, when a step of a module passes a failpoint."""


@dataclass
class Workspace:
    """A context with a bucket, a dataset called street, and a CVAT of its own."""

    context: Context
    bucket: str
    s3: Any
    sandbox: Serving
    spec: DatasetSpec = field(init=False)

    # --- what people do ---

    def apply(self, **changes: Any) -> DatasetSpec:
        """Apply a dataset file; `changes` are its sections, merged into a small default."""
        document: dict[str, Any] = {
            "name": "street",
            "sources": [{"bucket": self.bucket, "prefix": "in/"}],
            "annotators": ["ann", "bob"],
            "batch": {"max_objects": 100, "quiet": "10s"},
            "task": {"labels": ["car", "person"]},
            "export": {"prefix": "out"},
            "release": {"report": False},  # drawing one takes a second
        }
        for section, value in changes.items():
            document[section] = {**document.get(section, {}), **value} if isinstance(value, dict) else value
        self.spec = DatasetSpec.model_validate(document)
        with self.context.ledger.transaction() as tx:
            datasets.apply(tx, self.spec)
        return self.spec

    def put(self, key: str, body: bytes | None = None) -> str:
        """Put a file below the source's prefix; return its whole key."""
        whole = f"in/{key}"
        self.s3.put_object(Bucket=self.bucket, Key=whole, Body=picture(len(key)) if body is None else body)
        return whole

    def close_batch(self) -> str:
        """Register what is in the bucket and close its batch; return the batch's id."""
        sweep_sources(self.context)
        return close_now(self.context, "street")[0].id

    def set_faults(self, *rules: Mapping[str, Any]) -> None:
        """Replace the rules of CVAT's faults; they are written for the API of 1.0.0."""
        self.sandbox.faults.set(rules_for(self.sandbox.sandbox.options.version, rules))

    def retry(self, batch: str = FIRST) -> None:
        """Try a batch again at once."""
        with self.context.ledger.transaction() as tx:
            batches.retry(tx, batches.get(tx, batch, lock=True))

    def end_wait(self, batch: str = FIRST) -> None:
        """Let the time pass that a postponed batch waits."""
        with self.context.ledger.transaction() as tx:
            batches.get(tx, batch, lock=True).not_before = tx.now

    def person(self, name: str) -> Cvat:
        """Return the CVAT as another user sees it."""
        users = dict(user.split(":")[:2] for user in USERS)
        return connect(self.sandbox.url, username=name, password=users[name])

    def create_task(self, name: str, *files: str) -> int:
        """Create a task with images as a person does in the browser; return its id."""
        task = self.context.cvat("default").create_task(TaskSpec(name, tuple(self.spec.task.cvat_labels())))
        return self.upload_to(task.id, *files)

    def upload_to(self, task_id: int, *files: str) -> int:
        """Upload images to an empty task as a person does; return its id."""
        cvat = self.context.cvat("default")
        bodies = {file: picture(number + 50) for number, file in enumerate(files)}
        cvat.upload(task_id, [_upload_file(file, body) for file, body in bodies.items()], DataSpec())
        return wait_for_frames(cvat, task_id).id

    # --- what there is then ---

    def url(self, key: str) -> str:
        """Return the address of a file below the source's prefix."""
        return f"s3://{self.bucket}/in/{key}"

    def line(self, batch: str = FIRST) -> BatchSummary:
        """Return what the status shows of a batch."""
        with self.context.ledger.read_only() as tx:
            seen = overview(tx)
        return next(line for line in seen.batches if line.id == batch)

    def set_state(self, batch: str, state: BatchState) -> None:
        """Set the state that a crash would have left."""
        with self.context.ledger.transaction() as tx:
            batches.get(tx, batch).state = state

    def expire_lease(self, batch: str = FIRST) -> None:
        """Let the lease of a batch expire."""
        with self.context.ledger.transaction() as tx:
            batches.get(tx, batch).leased_until = tx.now

    def objects(self, key: str) -> Sequence[Object]:
        """Return every content of a file in the ledger, oldest first."""
        with self.context.ledger.read_only() as tx:
            return objects.of_key(tx, self.bucket, f"in/{key}")

    def tasks_on_server(self) -> int:
        """Return how many tasks the CVAT has."""
        return len(list(self.context.cvat("default").tasks()))

    def frames(self, batch: str = FIRST) -> list[str]:
        """Return the frame names of the batch's task."""
        return [frame.name for frame in self.context.cvat("default").frames(self.line(batch).task_id or 0)]

    def exported_document(self, batch: str = FIRST) -> dict[str, Any]:
        """Return the current COCO document of a batch."""
        key = self.line(batch).exports[-1].split("/", 3)[3]
        found: dict[str, Any] = json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        return found

    def exported_keys(self, batch: str = FIRST) -> list[str]:
        """Return the keys of the exported images; every annotation belongs to one of them."""
        document = self.exported_document(batch)
        assert {a["image_id"] for a in document["annotations"]} == {image["id"] for image in document["images"]}
        return sorted(image["file_name"] for image in document["images"])


def _upload_file(name: str, body: bytes) -> UploadFile:
    return UploadFile(name, len(body), lambda: io.BytesIO(body), "image/jpeg")


def ingest(workspace: Workspace, batch: str = FIRST) -> None:
    """Do what flows/ingest_batch does."""
    with acquire_batch(workspace.context, batch) as lease:
        ingest_steps(lease)


def ingest_steps(lease: BatchLease) -> None:
    create_task(lease)
    upload_data(lease)
    wait_for_status(lease)
    if not isinstance(preannotate_task(lease), UnfinishedTask):
        assign_jobs(lease)


def ingest_until_done(workspace: Workspace, tries: int = 6) -> None:
    """Ingest, each time after `labelyard retry`, until it succeeds."""
    for attempt in range(tries):
        try:
            ingest(workspace)
        except LabelyardError:
            assert attempt < tries - 1, f"still failing: {workspace.line().error}"
            workspace.retry()
        else:
            return


def export(workspace: Workspace, batch: str = FIRST) -> Exported:
    """Do what flows/export_task does."""
    with acquire_batch(workspace.context, batch, (BatchState.COMPLETED,)) as lease:
        return export_annotations(lease)


def draw_and_complete(workspace: Workspace, batch: str = FIRST, *, boxes_per_frame: int = 1) -> None:
    """Draw boxes on every frame and complete the jobs, as people do."""
    cvat = workspace.context.cvat("default")
    task = cvat.task(workspace.line(batch).task_id or 0)
    for job in cvat.jobs(task.id):
        frames = range(job.start_frame, job.stop_frame + 1)
        shapes = tuple(
            Shape(ShapeType.RECTANGLE, frame, task.labels[0].id, (1.0 + n, 2.0, 20.5, 30.25))
            for frame in frames
            for n in range(boxes_per_frame)
        )
        cvat.change_annotations(job.id, Change.CREATE, Annotations(shapes=shapes))
        cvat.set_job_status(job.id, JobStatus.COMPLETED)


def finish_jobs(workspace: Workspace, batch: str = FIRST) -> None:
    """Draw a box on every frame, complete the jobs, and let labelyard notice it."""
    draw_and_complete(workspace, batch)
    collect(workspace.context)


def complete_and_export(workspace: Workspace, batch: str = FIRST) -> None:
    """Finish the jobs of an assigned batch and export it."""
    finish_jobs(workspace, batch)
    export(workspace, batch)


def ingest_and_export(workspace: Workspace, batch: str = FIRST) -> None:
    """Ingest a closed batch, finish its jobs and export it."""
    ingest(workspace, batch)
    complete_and_export(workspace, batch)


def assert_one_complete_task(workspace: Workspace) -> None:
    """Assert that CVAT has one task, with the three files of the first batch, and that ann has its job."""
    [task] = workspace.context.cvat("default").tasks()
    assert (task.size, len(task.jobs)) == (3, 1)
    assert workspace.line().state == "assigned"
    assert workspace.line().task_id == task.id
    assert [job.assignee for job in workspace.line().jobs] == ["ann"]


def settings(folder: Path, ledger: str, store: StoreSettings, cvat: Serving) -> Settings:
    """Return settings with short waits.

    They name the dialect: a process keeps its clients, and another test may have used the same port for another family.
    """
    version = cvat.sandbox.options.version
    default = CvatSettings(url=cvat.url, username="root", password=SecretStr("rootpass"), dialect=DIALECTS[version])
    return Settings(
        ledger=ledger,
        store=store,
        spool=folder / "spool",
        poll_seconds=0.02,
        unclear_upload_seconds=0.5,
        unclear_write_seconds=0.001,
        lease_seconds=30,
        cvat={"default": default},
    )
