"""Which datasets there are, and what their files said when they were applied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from labelyard.errors import NotKnown
from labelyard.ledger import Ledger
from labelyard.ledger.history import tell
from labelyard.ledger.tables import Dataset, DatasetVersion
from labelyard.spec import DatasetSpec


def apply(ledger: Ledger, session: Session, spec: DatasetSpec) -> tuple[int, bool]:
    """Store a dataset file as an immutable version: its number, and whether it is new."""
    document = spec.model_dump(mode="json")
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    dataset = session.get(Dataset, spec.name, with_for_update=True)
    if dataset is not None:
        current = session.get_one(DatasetVersion, (spec.name, dataset.version))
        if current.sha256 == digest:
            return dataset.version, False
        dataset.version += 1
    else:
        dataset = Dataset(name=spec.name, version=1)
        session.add(dataset)
        session.flush()
    session.add(
        DatasetVersion(
            dataset=spec.name, number=dataset.version, document=document, sha256=digest, applied_at=ledger.now(session)
        )
    )
    tell(ledger, session, "applied", f"version {dataset.version} of the dataset file", dataset=spec.name)
    return dataset.version, True


def spec(session: Session, name: str, version: int | None = None) -> DatasetSpec:
    """A dataset's file as it was at `version`, or as it is now. Raises NotKnown."""
    dataset = session.get(Dataset, name)
    found = dataset and session.get(DatasetVersion, (name, version or dataset.version))
    if not found:
        known = ", ".join(session.scalars(select(Dataset.name).order_by(Dataset.name))) or "none"
        raise NotKnown(f"the ledger holds no dataset {name!r} (known: {known})", next_step="labelyard apply FILE")
    return DatasetSpec.model_validate(found.document)


def current(session: Session) -> Iterator[tuple[DatasetSpec, int]]:
    """Every dataset's current file, with its version."""
    rows = session.execute(
        select(DatasetVersion.document, DatasetVersion.number)
        .join(Dataset, (Dataset.name == DatasetVersion.dataset) & (Dataset.version == DatasetVersion.number))
        .order_by(Dataset.name)
    )
    for document, number in rows:
        yield DatasetSpec.model_validate(document), number


def categories(session: Session, name: str) -> dict[str, int]:
    """The COCO id of each label that any version of a dataset's file ever named, from 1; once given, it stays."""
    documents = session.scalars(
        select(DatasetVersion.document).where(DatasetVersion.dataset == name).order_by(DatasetVersion.number)
    )
    numbers: dict[str, int] = {}
    for document in documents:
        for label in DatasetSpec.model_validate(document).task.cvat_labels():
            numbers.setdefault(label.name, len(numbers) + 1)
    return numbers
