"""Objects that the store refuses to let be read: quarantined alone, and asked for again until it lets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from labelyard.domain.objects import StoredObject
from labelyard.ledger import objects
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.tables import Object


def quarantine_refused(tx: Transaction, obj: Object, reason: str) -> None:
    """Quarantine an object that the store refuses; `waiting` returns it until the store lets it be read."""
    obj.refused_at = tx.now
    objects.quarantine(tx, obj, reason)


def waiting(tx: Transaction, dataset: str, limit: int) -> Sequence[StoredObject]:
    """Return the dataset's refused objects, first those that were not asked for the longest."""
    query = select(Object).where(Object.dataset == dataset, Object.refused_at.is_not(None))
    return [row.stored for row in tx.scalars(query.order_by(Object.refused_at, Object.id).limit(limit))]


def uploaded(tx: Transaction, bucket: str, limit: int) -> Sequence[StoredObject]:
    """Return objects of the bucket that could be read before, the newest first."""
    query = select(Object).where(Object.bucket == bucket, Object.upload_name.is_not(None), Object.deleted_at.is_(None))
    return [row.stored for row in tx.scalars(query.order_by(Object.id.desc()).limit(limit))]


def record_asked(tx: Transaction, dataset: str, readable: Mapping[StoredObject, bool | None]) -> list[StoredObject]:
    """Record which objects the store lets be read now, and return those; None is one whose content is not there.

    They are marked as deleted: registering them again, which is next, puts them into a batch.
    """
    rows = {row.stored: row for row in _locked(tx, dataset, readable)}
    for obj, row in rows.items():
        if readable[obj] is False:
            row.refused_at = tx.now
            continue
        row.refused_at, row.deleted_at = None, tx.now
        what = "the store lets it be read" if readable[obj] else "its content is not in the bucket any more"
        record(tx, "asked again", what, obj=row)
    return [obj for obj in rows if readable[obj]]


def _locked(tx: Transaction, dataset: str, wanted: Mapping[StoredObject, bool | None]) -> Sequence[Object]:
    query = select(Object).where(
        Object.dataset == dataset,
        Object.refused_at.is_not(None),
        Object.key.in_([obj.key for obj in wanted]),
    )
    return [row for row in tx.scalars(query.with_for_update(key_share=True)) if row.stored in wanted]
