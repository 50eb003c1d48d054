"""Which datasets there are, what their files said when they were applied, and the ids of their labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import delete, select

from labelyard.config import DatasetSpec
from labelyard.domain.category_ids import numbered, recovered
from labelyard.errors import NotFound
from labelyard.ledger import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.tables import Category, Dataset, DatasetVersion


def apply(tx: Transaction, spec: DatasetSpec) -> tuple[int, bool]:
    """Store a dataset file as an immutable version: its number, and whether it is new. A retired dataset is back."""
    document = spec.model_dump(mode="json")
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    dataset = tx.get(Dataset, spec.name, with_for_update=True)
    if dataset is not None and dataset.retired_at is not None:
        dataset.retired_at = None
        record(tx, "back", "its file was applied again", dataset=spec.name)
    if dataset is not None:
        current = tx.get_one(DatasetVersion, (spec.name, dataset.version))
        if current.sha256 == digest:
            return dataset.version, False
        dataset.version += 1
    else:
        dataset = Dataset(name=spec.name, version=1)
        tx.add(dataset)
        tx.flush()
    tx.add(
        DatasetVersion(dataset=spec.name, number=dataset.version, document=document, sha256=digest, applied_at=tx.now)
    )
    known = categories(tx, spec.name)
    numbers = numbered((label.name for label in spec.task.labels), known)
    _number(tx, spec.name, {label: number for label, number in numbers.items() if label not in known})
    record(tx, "applied", f"version {dataset.version} of the dataset file", dataset=spec.name)
    return dataset.version, True


def spec(tx: Transaction, name: str, version: int | None = None) -> DatasetSpec:
    """A dataset's file as it was at `version`, or as it is now. Raises NotKnown."""
    dataset = tx.get(Dataset, name)
    found = dataset and tx.get(DatasetVersion, (name, version or dataset.version))
    if not found:
        known = ", ".join(tx.scalars(select(Dataset.name).order_by(Dataset.name))) or "none"
        raise NotFound(f"the ledger holds no dataset {name!r} (known: {known})", next_step="labelyard apply FILE")
    return DatasetSpec.model_validate(found.document)


def current(tx: Transaction) -> Iterator[tuple[DatasetSpec, int]]:
    """The current file of every dataset that is not retired, with its version."""
    rows = tx.execute(
        select(DatasetVersion.document, DatasetVersion.number)
        .join(Dataset, (Dataset.name == DatasetVersion.dataset) & (Dataset.version == DatasetVersion.number))
        .where(Dataset.retired_at.is_(None))
        .order_by(Dataset.name)
    )
    for document, number in rows:
        yield DatasetSpec.model_validate(document), number


def categories(tx: Transaction, name: str) -> dict[str, int]:
    """The COCO id of each label that a dataset ever had; once given, it stays."""
    rows = tx.scalars(select(Category).where(Category.dataset == name).order_by(Category.number))
    return {row.name: row.number for row in rows}


def take_categories(tx: Transaction, spec: DatasetSpec, files: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Give labels the ids that `files` of the dataset use already, where this ledger gave others; returns all."""
    tx.get_one(Dataset, spec.name, with_for_update=True)
    given = categories(tx, spec.name)
    numbers = recovered(files, [label.name for label in spec.task.labels], given)
    if numbers != given:
        tx.execute(delete(Category).where(Category.dataset == spec.name))
        _number(tx, spec.name, numbers)
        told = ", ".join(f"{label} {number}" for label, number in sorted(numbers.items(), key=lambda item: item[1]))
        reason = f"labels have the ids of the exports in the bucket: {told}"
        record(tx, "numbered", reason, dataset=spec.name)
    return numbers


def _number(tx: Transaction, name: str, numbers: Mapping[str, int]) -> None:
    tx.add_all(Category(dataset=name, name=label, number=number) for label, number in numbers.items())
    tx.flush()
