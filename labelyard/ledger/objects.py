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
from labelyard.spec import DatasetSpec, Deletions, Overwrites


def land(ledger: Ledger, session: Session, spec: DatasetSpec, obj: StoredObject, via: str) -> Object | None:
    """Put an object into its dataset's open batch; None if it landed before. Closes what it fills or what is full.

    Of a file that changed, the new content takes the place of one that was not uploaded; what it means for one that
    was, the dataset says.
    """
    row = _insert(session, spec.name, obj, via, ledger.now(session)) or _returned(ledger, session, spec.name, obj)
    if row is None:
        return None
    earlier = [
        old
        for old in named(session, obj.bucket, obj.key)
        if _counts(old) and old.dataset == spec.name and old is not row
    ]
    for old in earlier:
        if old.upload_name is None:
            refuse(ledger, session, old, f"overwritten before its upload, by {obj.etag}")
    labelled = next((old for old in earlier if old.upload_name is not None), None)
    if labelled is not None and spec.overwrites is not Overwrites.RELABEL:
        refuse(
            ledger,
            session,
            row,
            f"a new content of what is labelled in {labelled.batch_id} (overwrites: {spec.overwrites})",
        )
    else:
        join(ledger, session, spec, row, f"told by {via}")
    return row


def join(ledger: Ledger, session: Session, spec: DatasetSpec, row: Object, reason: str) -> None:
    """Put an object into its dataset's open batch, closing what it fills or what is full."""
    batch, size = batches.opened_for(ledger, session, spec.name), row.size or 0
    full = must_close_before(spec.batch, batches.filling(batch), size)
    if full is not None:
        batches.close(ledger, session, batch, full)
        batch = batches.opened_for(ledger, session, spec.name)
    now = ledger.now(session)
    row.batch_id, row.refused = batch.id, None
    batch.objects += 1
    batch.bytes += size
    batch.last_landed_at = now
    tell(ledger, session, "landed", f"{reason}, into batch {batch.id}", obj=row)
    due_to = due(spec.batch, batches.filling(batch), now)
    if due_to is not None:
        batches.close(ledger, session, batch, due_to)


def gone(ledger: Ledger, session: Session, spec: DatasetSpec, bucket: str, key: str) -> int:
    """The store has no such key any more: what was not uploaded is set aside, the rest is as the dataset says."""
    rows = [row for row in named(session, bucket, key) if row.dataset == spec.name and row.gone_at is None]
    for row in rows:
        row.gone_at = ledger.now(session)
        if row.refused is None and row.upload_name is None and row.batch_id is not None:
            refuse(ledger, session, row, "deleted before its upload")
            continue
        tell(ledger, session, "deleted", f"in the bucket, after its upload (deletions: {spec.deletions})", obj=row)
        if spec.deletions is Deletions.DROP:
            batches.export_again(ledger, session, row.batch_id, f"{row.stored.url} was deleted and is left out")
    return len(rows)


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
    """Those of `found` that never landed in the dataset, or were gone since, in order."""
    identity = tuple_(Object.bucket, Object.key, Object.etag)
    wanted = [(obj.bucket, obj.key, obj.etag) for obj in found]
    rows = session.execute(
        select(Object.bucket, Object.key, Object.etag).where(
            Object.dataset == dataset, identity.in_(wanted), Object.gone_at.is_(None)
        )
    )
    landed = {tuple(row) for row in rows}
    return [obj for obj, one in zip(found, wanted, strict=True) if one not in landed]


def named(session: Session, bucket: str, key: str) -> Sequence[Object]:
    """Every content of a key that ever landed, oldest first."""
    return session.scalars(select(Object).where(Object.bucket == bucket, Object.key == key).order_by(Object.id)).all()


def _counts(row: Object) -> bool:
    return row.refused is None and row.batch_id is not None


def _returned(ledger: Ledger, session: Session, dataset: str, obj: StoredObject) -> Object | None:
    """The row of a content that was deleted and put again, if it has to land again; None where it is in a task."""
    found = session.scalars(
        select(Object).where(
            Object.dataset == dataset, Object.bucket == obj.bucket, Object.key == obj.key, Object.etag == obj.etag
        )
    ).one()
    if found.gone_at is None:
        return None
    found.gone_at = None
    tell(ledger, session, "back", "the same content was put again", obj=found)
    return found if found.refused is not None and found.upload_name is None else None


def _insert(session: Session, dataset: str, obj: StoredObject, via: str, now: datetime) -> Object | None:
    values: dict[str, Any] = {
        "dataset": dataset, "bucket": obj.bucket, "key": obj.key, "etag": obj.etag, "size": obj.size,
        "version_id": obj.version_id, "via": via, "landed_at": now,
    }  # fmt: skip
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    return session.scalars(insert(Object).values(**values).on_conflict_do_nothing().returning(Object)).one_or_none()
