"""Objects whose bytes are labelled already: the same file under another ETag.

A copy in place, another part size or another encryption gives a content another ETag. The ledger has the SHA-256 of
what was uploaded, and gives that object the new ETag: so the file is labelled once, and a task that must be created
again finds its content.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from sqlalchemy import select

from labelyard.config import DatasetSpec, Deletions
from labelyard.domain.objects import StoredObject
from labelyard.domain.quarantine import MANUALLY
from labelyard.domain.states import BatchState
from labelyard.ledger import batches, datasets
from labelyard.ledger.conditions import with_any_key
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Object


def uncompared(
    tx: Transaction, dataset: str, found: Sequence[StoredObject], compared: Container[StoredObject]
) -> list[StoredObject]:
    """Return the objects that may have the bytes of a labelled one: same key and size, another ETag.

    The labelled ones are locked, so that no upload begins before this transaction registers its objects.
    """
    datasets.lock(tx, dataset)
    labelled = _labelled(tx, dataset, found)
    return [obj for obj in found if obj not in compared and any(_same_size(labelled, obj))]


def keep_labelled(
    tx: Transaction, spec: DatasetSpec, found: Sequence[StoredObject], digests: Mapping[StoredObject, str | None]
) -> list[StoredObject]:
    """Give labelled objects the ETags under which their bytes are stored now; return the rest of `found`."""
    alike = [obj for obj in found if digests.get(obj)]
    labelled = _labelled(tx, spec.name, alike)
    return [obj for obj in found if not _keep_one(tx, spec, obj, labelled, digests.get(obj))]


def _keep_one(
    tx: Transaction,
    spec: DatasetSpec,
    obj: StoredObject,
    labelled: Mapping[tuple[str, str], list[Object]],
    sha256: str | None,
) -> bool:
    row = next((row for row in _same_size(labelled, obj) if sha256 and row.sha256 == sha256), None)
    if row is None or not _exchange_etag(tx, row, obj):
        return False
    if row.deleted_at is not None:
        row.deleted_at = None
        if row.upload_name is not None and spec.deletions is Deletions.DROP:
            batches.export_again(tx, row.batch_id, f"{row.stored.url} was put again")
    return True


def _labelled(tx: Transaction, dataset: str, found: Sequence[StoredObject]) -> Mapping[tuple[str, str], list[Object]]:
    """Return the objects with a known SHA-256 that are labelled or will be, by bucket and key; they are locked."""
    query = (
        select(Object)
        .join(Batch, Batch.id == Object.batch_id)
        .where(
            Object.dataset == dataset,
            *with_any_key((obj.bucket, obj.key) for obj in found),
            Object.sha256.is_not(None),
            Batch.state != BatchState.CANCELLED,
            # One that was overwritten before its upload is labelled nowhere. One that a person quarantined stays so.
            Object.quarantine_reason.is_(None)
            | Object.deleted_at.is_(None)
            | Object.upload_name.is_not(None)
            | Object.quarantine_reason.startswith(MANUALLY),
        )
        .with_for_update(of=Object, key_share=True)
    )
    by_key: dict[tuple[str, str], list[Object]] = {}
    for row in tx.scalars(query) if found else ():
        by_key.setdefault((row.bucket, row.key), []).append(row)
    return by_key


def _same_size(labelled: Mapping[tuple[str, str], Iterable[Object]], obj: StoredObject) -> Iterator[Object]:
    of_key = labelled.get((obj.bucket, obj.key), ())
    return (row for row in of_key if row.size == obj.size is not None and row.etag != obj.etag)


def _exchange_etag(tx: Transaction, row: Object, obj: StoredObject) -> bool:
    """Give `row` the ETag of `obj`; a deleted row that had it gets the former one. Return False if it is in use."""
    identity = {"dataset": row.dataset, "bucket": obj.bucket, "key": obj.key, "etag": obj.etag}
    other = tx.scalars(select(Object).filter_by(**identity).with_for_update(key_share=True)).one_or_none()
    if other is not None and other.deleted_at is None:
        return False
    former = row.etag
    if other is not None:
        other.etag = f"{obj.etag} of {other.id}"  # free for a moment: identities are unique
        tx.flush()
    row.etag, row.version_id = obj.etag, obj.version_id
    tx.flush()
    if other is not None:
        other.etag = former
    reason = f"the same bytes (SHA-256) were put again, now with ETag {obj.etag}, before {former}: not labelled again"
    record(tx, "same content", reason, obj=row)
    return True
