"""What is finished: the batches with current exports, and the published releases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from labelyard.domain.formats import ORIGINAL
from labelyard.ledger.database import Transaction
from labelyard.ledger.exports import DEFAULT_FORMAT
from labelyard.ledger.release_tables import Release
from labelyard.ledger.tables import Batch, Export


@dataclass(frozen=True, slots=True)
class FinishedBatch:
    """A batch with a current export: of its files one counts, and of what was drawn all of it, by label."""

    dataset: str
    images: int
    annotations: Mapping[str, int]
    since: datetime
    """When it was exported for the first time."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Exported batches: how many, their images, and what was drawn in them by label."""

    batches: int
    images: int
    annotations: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LastRelease:
    """A release of a dataset."""

    dataset: str
    number: int
    images: int
    annotations: int
    published_at: datetime


def total(batches: Iterable[FinishedBatch]) -> Finished:
    """Return the sums of finished batches."""
    found, labels = list(batches), Counter[str]()
    for one in found:
        labels.update(one.annotations)
    return Finished(len(found), sum(one.images for one in found), dict(labels))


def finished_batches(tx: Transaction, dataset: str | None) -> Sequence[FinishedBatch]:
    """Return the batches with current exports, of one dataset or of all."""
    first = (
        select(Export.batch_id, func.min(Export.exported_at).label("at"))
        .where(Export.exported_at.is_not(None), Export.format != ORIGINAL)
        .group_by(Export.batch_id)
        .subquery()
    )
    query = (
        select(Export.batch_id, Export.format, Batch.dataset, Export.images, Export.account, first.c.at)
        .join(Batch, Batch.id == Export.batch_id)
        .join(first, first.c.batch_id == Export.batch_id)
        .where(Export.current, Export.format != ORIGINAL)
    )
    found: dict[str, FinishedBatch] = {}
    for batch, kind, name, images, account, at in tx.execute(
        query.where(Batch.dataset == dataset) if dataset else query
    ):
        if batch not in found or kind == DEFAULT_FORMAT:
            found[batch] = FinishedBatch(name, images, _drawn(account), at)
    return list(found.values())


def last_releases(tx: Transaction, dataset: str | None) -> Sequence[LastRelease]:
    """Return the newest release of each dataset."""
    newest = (
        select(Release.dataset, func.max(Release.number).label("number"))
        .where(Release.published_at.is_not(None))
        .group_by(Release.dataset)
        .subquery()
    )
    query = select(Release).join(newest, (newest.c.dataset == Release.dataset) & (newest.c.number == Release.number))
    rows = tx.scalars((query.where(Release.dataset == dataset) if dataset else query).order_by(Release.dataset))
    return _releases(rows)


def releases_since(tx: Transaction, since: datetime, dataset: str | None) -> Sequence[LastRelease]:
    """Return the releases that were published since then, oldest first."""
    query = select(Release).where(Release.published_at >= since).order_by(Release.published_at)
    return _releases(tx.scalars(query.where(Release.dataset == dataset) if dataset else query))


def _releases(rows: Iterable[Release]) -> Sequence[LastRelease]:
    return [
        LastRelease(row.dataset, row.number, row.images or 0, row.annotations or 0, row.published_at)
        for row in rows
        if row.published_at is not None
    ]


def _drawn(account: object) -> Mapping[str, int]:
    labels: Counter[str] = Counter()
    if isinstance(account, dict):
        for by_label in account["drawn"].values():
            labels.update(by_label)
    return labels
