"""A dataset file, objects, batches, and a clock that tests advance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from labelyard.config import DatasetSpec
from labelyard.domain.objects import StoredObject
from labelyard.ledger import Ledger, batches, datasets, objects
from labelyard.ledger.tables import Batch


class Clock:
    """A clock that advances only when a test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def dataset_spec(name: str = "street", **batch: object) -> DatasetSpec:
    return DatasetSpec.model_validate({
        "name": name, "sources": [{"bucket": "incoming", "prefix": f"{name}/"}], "annotators": ["ann", "bob"],
        "batch": {"max_objects": 3, "quiet": "60s", "marker": "_SUCCESS", **batch},
        "task": {"labels": ["car"]}, "export": {"prefix": f"datasets/{name}"},
    })  # fmt: skip


def an_object(number: int, etag: str = "e", size: int = 10) -> StoredObject:
    return StoredObject("incoming", f"street/{number:04d}.jpg", etag, size)


def register(ledger: Ledger, spec: DatasetSpec, *found: StoredObject, via: str = "event") -> int:
    """Register objects; return how many were new."""
    with ledger.transaction() as tx:
        return len(objects.register(tx, spec, found, via))


def closed_batch(ledger: Ledger, spec: DatasetSpec, size: int = 3) -> Batch:
    """Return the dataset's first batch, closed with `size` objects."""
    register(ledger, spec, *(an_object(i) for i in range(size)))
    with ledger.transaction() as tx:
        batch = batches.lock_open(tx, spec.name)
        if batch is not None:
            batches.close(tx, batch, "for the test")
        return batches.get(tx, "street-00001")


def apply(ledger: Ledger, spec: DatasetSpec) -> tuple[int, bool]:
    with ledger.transaction() as tx:
        return datasets.apply(tx, spec)
