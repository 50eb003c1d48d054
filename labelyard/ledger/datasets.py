"""Datasets: the versions of their files as applied, and the category ids of their labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from labelyard.domain.category_ids import assign_ids, recover_ids
from labelyard.domain.schedules import Timing, Verb
from labelyard.errors import NotFound
from labelyard.ledger.database import FOR_UPDATE, Transaction
from labelyard.ledger.history import record
from labelyard.ledger.tables import Category, Dataset, DatasetVersion

if TYPE_CHECKING:
    from labelyard.config import DatasetSpec


def apply(tx: Transaction, spec: DatasetSpec) -> tuple[int, bool]:
    """Store a dataset file as an immutable version, and return its number and whether it is new.

    A file that says the same as the current version is not new. A retired dataset becomes active again.
    """
    document = _document(spec)
    dataset = tx.get(Dataset, spec.name, with_for_update=FOR_UPDATE)
    if dataset is not None and dataset.retired_at is not None:
        dataset.retired_at = None
        record(tx, "reactivated", "its file was applied again", dataset=spec.name)
    if dataset is not None:
        current = tx.get_one(DatasetVersion, (spec.name, dataset.version))
        # Compared as this labelyard reads it: an older one stored it without the fields that came later.
        if _document(_spec(current.document)) == document:
            return dataset.version, False
        dataset.version += 1
    else:
        dataset = Dataset(name=spec.name, version=1)
        tx.add(dataset)
        tx.flush()
    tx.add(
        DatasetVersion(
            dataset=spec.name,
            number=dataset.version,
            document=document,
            sha256=_sha256(document),
            applied_at=tx.now,
        )
    )
    existing = categories(tx, spec.name)
    ids = assign_ids((label.name for label in spec.task.labels), existing)
    _add_categories(tx, spec.name, {label: number for label, number in ids.items() if label not in existing})
    record(tx, "applied", f"version {dataset.version} of the dataset file", dataset=spec.name)
    return dataset.version, True


def spec(tx: Transaction, name: str, version: int | None = None) -> DatasetSpec:
    """Return a version of a dataset's file, by default the current one. Raises NotFound."""
    dataset = tx.get(Dataset, name)
    found = dataset and tx.get(DatasetVersion, (name, version or dataset.version))
    if not found:
        raise _unknown(tx, name)
    return _spec(found.document)


def first_applied_at(tx: Transaction, name: str) -> datetime:
    """Return when a dataset's file was applied for the first time. The dataset must exist."""
    return tx.get_one(DatasetVersion, (name, 1)).applied_at


def is_retired(tx: Transaction, name: str) -> bool:
    """Return whether a dataset, which must exist, accepts no new objects."""
    return tx.get_one(Dataset, name).retired_at is not None


def lock(tx: Transaction, name: str) -> Dataset:
    """Return the dataset, locked for this transaction. Call it before locking a batch or inserting an object.

    So all transactions lock in the same order, and none waits for one that waits for it. Raises NotFound.
    """
    found = tx.get(Dataset, name, with_for_update=FOR_UPDATE, populate_existing=True)
    if found is None:
        raise _unknown(tx, name)
    return found


def _unknown(tx: Transaction, name: str) -> NotFound:
    """Return the error for a dataset that was never applied, with the names of those that were."""
    known = ", ".join(tx.scalars(select(Dataset.name).order_by(Dataset.name))) or "none"
    return NotFound(f"the ledger holds no dataset {name!r} (known: {known})", next_step="labelyard apply FILE")


def current(tx: Transaction, *, retired: bool = False) -> Iterator[DatasetSpec]:
    """Yield the current file of every dataset; of retired ones, whose batches go on, only if asked for."""
    documents = (
        select(DatasetVersion.document)
        .join(Dataset, (Dataset.name == DatasetVersion.dataset) & (Dataset.version == DatasetVersion.number))
        .order_by(Dataset.name)
    )
    for document in tx.scalars(documents if retired else documents.where(Dataset.retired_at.is_(None))):
        yield _spec(document)


def schedules(tx: Transaction) -> dict[str, dict[Verb, Timing]]:
    """Return when the verbs of each dataset run; a retired dataset has no schedule."""
    active = {spec.name: spec.schedule.timings() for spec in current(tx)}
    return {name: active.get(name, {}) for name in tx.scalars(select(Dataset.name).order_by(Dataset.name))}


def categories(tx: Transaction, name: str) -> dict[str, int]:
    """Return the COCO category id of each label that a dataset has or had. An id never changes."""
    rows = tx.scalars(select(Category).where(Category.dataset == name).order_by(Category.number))
    return {row.name: row.number for row in rows}


def recover_categories(tx: Transaction, spec: DatasetSpec, files: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Replace the category ids by those that the dataset's `files` use already; return the ids of all labels."""
    tx.get_one(Dataset, spec.name, with_for_update=FOR_UPDATE)
    existing = categories(tx, spec.name)
    ids = recover_ids(files, [label.name for label in spec.task.labels], existing)
    if ids != existing:
        tx.execute(delete(Category).where(Category.dataset == spec.name))
        _add_categories(tx, spec.name, ids)
        listed = ", ".join(f"{label} {number}" for label, number in sorted(ids.items(), key=lambda item: item[1]))
        reason = f"labels have the ids of the exports in the bucket: {listed}"
        record(tx, "numbered", reason, dataset=spec.name)
    return ids


def _spec(document: dict[str, Any]) -> DatasetSpec:
    from labelyard.config import DatasetSpec  # noqa: PLC0415 - slow to import, and the status reads no dataset file

    return DatasetSpec.model_validate(document)


def _document(spec: DatasetSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json")


def _sha256(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _add_categories(tx: Transaction, name: str, ids: Mapping[str, int]) -> None:
    tx.add_all(Category(dataset=name, name=label, number=number) for label, number in ids.items())
    tx.flush()
