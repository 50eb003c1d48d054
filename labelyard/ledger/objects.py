"""The objects: one row for one content of one file, however often it is told of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from labelyard.ledger import Ledger, batches
from labelyard.ledger.history import tell
from labelyard.ledger.tables import Batch, Object
from labelyard.model import StoredObject
from labelyard.plan.batching import due, must_close_before
from labelyard.spec import DatasetSpec


def land(ledger: Ledger, session: Session, spec: DatasetSpec, obj: StoredObject, via: str) -> Object | None:
    """Put an object into its dataset's open batch; None if it landed before. Closes what it fills or what is full."""
    row = _insert(session, spec.name, obj, via, ledger.now(session))
    if row is None:
        return None
    batch, size = batches.opened_for(ledger, session, spec.name), obj.size or 0
    full = must_close_before(spec.batch, batches.filling(batch), size)
    if full is not None:
        batches.close(ledger, session, batch, full)
        batch = batches.opened_for(ledger, session, spec.name)
    row.batch_id = batch.id
    batch.objects += 1
    batch.bytes += size
    batch.last_landed_at = row.landed_at
    tell(ledger, session, "landed", f"told by {via}, into batch {batch.id}", obj=row)
    reason = due(spec.batch, batches.filling(batch), row.landed_at)
    if reason is not None:
        batches.close(ledger, session, batch, reason)
    return row


def land_marker(ledger: Ledger, session: Session, spec: DatasetSpec, obj: StoredObject, via: str) -> Batch | None:
    """Note a marker and close the dataset's open batch; None if the marker landed before or nothing is open."""
    row = _insert(session, spec.name, obj, via, ledger.now(session))
    if row is None:
        return None
    tell(ledger, session, "marker", f"told by {via}", obj=row)
    batch = next(iter(batches.opened(session, spec.name)), None)
    if batch is not None and batch.objects:
        batches.close(ledger, session, batch, f"the marker {obj.url} came")
    return batch


def refuse(ledger: Ledger, session: Session, obj: Object, reason: str) -> None:
    """Set an object aside: it stays known, with the reason, and its batch goes on without it."""
    obj.refused = reason
    tell(ledger, session, "set aside", reason, obj=obj)


def lacking(session: Session, dataset: str, found: Sequence[StoredObject]) -> list[StoredObject]:
    """Those of `found` that never landed in the dataset, in order."""
    identity = tuple_(Object.bucket, Object.key, Object.etag)
    wanted = [(obj.bucket, obj.key, obj.etag) for obj in found]
    rows = session.execute(
        select(Object.bucket, Object.key, Object.etag).where(Object.dataset == dataset, identity.in_(wanted))
    )
    landed = {tuple(row) for row in rows}
    return [obj for obj, one in zip(found, wanted, strict=True) if one not in landed]


def named(session: Session, bucket: str, key: str) -> Sequence[Object]:
    """Every content of a key that ever landed, oldest first."""
    return session.scalars(select(Object).where(Object.bucket == bucket, Object.key == key).order_by(Object.id)).all()


def _insert(session: Session, dataset: str, obj: StoredObject, via: str, now: datetime) -> Object | None:
    values: dict[str, Any] = {
        "dataset": dataset, "bucket": obj.bucket, "key": obj.key, "etag": obj.etag, "size": obj.size,
        "version_id": obj.version_id, "via": via, "landed_at": now,
    }  # fmt: skip
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    return session.scalars(insert(Object).values(**values).on_conflict_do_nothing().returning(Object)).one_or_none()
