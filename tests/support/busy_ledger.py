"""A ledger whose clock is set by hand, with batches, jobs and exports as they come to be, without any server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job as ServerJob
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import Ledger, Transaction, batches, jobs
from labelyard.ledger.tables import Batch, Export, Object
from labelyard.operations.figures import Figures, read_figures
from tests.support.ledger_samples import apply, dataset_spec

MONDAY = datetime(2026, 11, 30, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = {1: "anna", 2: "ben", 3: "hostile|`<b>"}


class BusyLedger:
    """A ledger whose clock is set by hand, and what happens in it."""

    def __init__(self, url: str) -> None:
        self.now = MONDAY - 10 * DAY
        self.url = url
        self.ledger = Ledger(self.url, clock=lambda: self.now)
        apply(self.ledger, dataset_spec("street"))

    def batch(self, images: int, *jobs_of: int | None) -> str:
        """Let images arrive and be assigned: a job of equal size for each person, by CVAT id."""
        with self.ledger.transaction() as tx:
            batch = batches.get_or_open(tx, "street")
            for number in range(images):
                key = f"{batch.id}/{number}.jpg"
                tx.add(
                    Object(
                        dataset="street", bucket="b", key=key, etag="e", registered_at=tx.now, registered_via="sqs",
                        batch_id=batch.id, upload_name=f"{number}.jpg",
                    )
                )  # fmt: skip
            batch.objects = images
            batches.close(tx, batch, "closed by a test")
            for state in (BatchState.CREATED, BatchState.UPLOADED, BatchState.READY, BatchState.ASSIGNED):
                batches.move(tx, batch, state, "moved by a test")
            self._read_jobs(tx, batch, images, jobs_of, JobStatus.ANNOTATION)
            return batch.id

    def read_jobs(self, name: str, images: int, jobs_of: tuple[int | None, ...], status: JobStatus) -> None:
        """Read the jobs of a batch from CVAT."""
        with self.ledger.transaction() as tx:
            self._read_jobs(tx, batches.get(tx, name), images, jobs_of, status)

    def _read_jobs(
        self, tx: Transaction, batch: Batch, images: int, jobs_of: tuple[int | None, ...], status: JobStatus
    ) -> None:
        size = images // max(1, len(jobs_of))
        found = [
            ServerJob(100 * batch.number + n, batch.number, n * size, (n + 1) * size - 1, status, person)
            for n, person in enumerate(jobs_of)
        ]
        jobs.update_from_server(tx, batch, found, NAMES)

    def move(self, name: str, *states: BatchState) -> None:
        with self.ledger.transaction() as tx:
            for state in states:
                batches.move(tx, batches.get(tx, name, lock=True), state, "moved by a test")

    def export(self, name: str, images: int, labels: Mapping[str, int]) -> None:
        self.move(name, BatchState.COMPLETED, BatchState.EXPORTED)
        account = {"drawn": {"rectangle": dict(labels)}, "in_file": {"rectangle": dict(labels)}, "left_out": []}
        with self.ledger.transaction() as tx:
            for kind in ("coco", "yolo"):
                tx.add(
                    Export(
                        batch_id=name, format=kind, generation=1, bucket="b", key=f"{name}.{kind}", sha256="",
                        other_files={}, source="", images=images, annotations=sum(labels.values()), account=account,
                        task_updated="", tries=1, exported_at=tx.now, current=True,
                    )
                )  # fmt: skip

    def fail(self, name: str, error: str) -> None:
        with self.ledger.transaction() as tx:
            batches.fail(tx, batches.get(tx, name, lock=True), error, f"labelyard retry {name}")

    def figures(self, dataset: str | None = None) -> Figures:
        return read_figures(self.ledger, dataset)
