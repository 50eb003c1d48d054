"""Objects: one row for each content of each file, however often it is notified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from sqlalchemy import select, update
from sqlalchemy.orm.attributes import set_committed_value

from labelyard.config import DatasetSpec, Deletions, Overwrites
from labelyard.domain.batching import MarkerArrives, ObjectArrives, decide, group_of, groups_of_marker
from labelyard.domain.objects import StoredObject
from labelyard.domain.quarantine import MANUALLY, NEW_CONTENT
from labelyard.escaping import printable
from labelyard.ledger import batches, datasets, same_content
from labelyard.ledger.conditions import with_any_key
from labelyard.ledger.database import Transaction, dialect_insert
from labelyard.ledger.history import record, record_each
from labelyard.ledger.tables import Batch, Object


def register(
    tx: Transaction,
    spec: DatasetSpec,
    found: Sequence[StoredObject],
    via: str,
    digests: Mapping[StoredObject, str | None] = MappingProxyType({}),
    *,
    backfill: bool = False,
) -> Sequence[Object]:
    """Register objects, add new ones to their dataset's open batches, and return the new ones.

    With `backfill` these are batches of their own, which wait while others wait for a run.

    A new content of a file replaces one that was not uploaded, and ends the quarantine of an earlier one. Where the old
    one was uploaded, the dataset's `overwrites` decides, unless `digests` (SHA-256) show that the bytes are the same.
    """
    datasets.lock(tx, spec.name)
    rows = _insert_unknown(tx, spec, same_content.keep_labelled(tx, spec, found, digests), via)
    earlier = _earlier(tx, spec.name, rows)
    _end_quarantines(tx, spec.name, rows)
    wanted = [row for row in rows if not _quarantine_overwrite(tx, spec, row, earlier)]
    add_to_batch(tx, spec, wanted, f"registered by {via}", backfill=backfill)
    return rows


def add_to_batch(
    tx: Transaction, spec: DatasetSpec, rows: Iterable[Object], reason: str, *, backfill: bool = False
) -> None:
    """Add objects to the open batch of their group; batches close as `domain.batching` decides."""
    groups: dict[str, list[Object]] = {}
    for row in rows:
        groups.setdefault(group_of(spec.batch, row.stored), []).append(row)
    for group, members in groups.items():
        _add_to_group(tx, spec, members, reason, partial(batches.get_or_open, tx, spec.name, group, backfill=backfill))


def _add_to_group(
    tx: Transaction, spec: DatasetSpec, rows: Iterable[Object], reason: str, open_batch: Callable[[], Batch]
) -> None:
    batch, now = None, tx.now
    joining: list[Object] = []
    for row in rows:
        batch = batch or open_batch()
        decision = decide(spec.batch, batches.contents(batch), ObjectArrives(row.size or 0, now))
        if decision.close_before is not None:
            _join(tx, batch, joining, reason)
            batches.close(tx, batch, decision.close_before)
            batch, joining = open_batch(), []
        joining.append(row)
        batch.objects += 1
        batch.bytes += row.size or 0
        batch.last_registered_at = now
        if decision.close_after is not None:
            _join(tx, batch, joining, reason)
            batches.close(tx, batch, decision.close_after)
            batch, joining = None, []
    if batch is not None:
        _join(tx, batch, joining, reason)


def _join(tx: Transaction, batch: Batch, rows: Sequence[Object], reason: str) -> None:
    """Record that objects are in a batch, in two statements for any number of them."""
    if not rows:
        return
    tx.flush()
    of_rows = update(Object).where(Object.id.in_([row.id for row in rows]))
    tx.execute(
        of_rows.values(batch_id=batch.id, quarantine_reason=None, refused_at=None),
        execution_options={"synchronize_session": False},
    )
    for row in rows:
        set_committed_value(row, "batch_id", batch.id)
        set_committed_value(row, "quarantine_reason", None)
        set_committed_value(row, "refused_at", None)
    record_each(tx, "registered", f"{reason}, added to batch {batch.id}", rows)


def mark_deleted(tx: Transaction, spec: DatasetSpec, bucket: str, key: str) -> int:
    """Record that a key was deleted in the store; return how many objects that concerns.

    An object that was not uploaded is quarantined. For an uploaded one the dataset's `deletions` decides.
    """
    rows = [row for row in of_key(tx, bucket, key, lock=True) if row.dataset == spec.name and row.deleted_at is None]
    for row in rows:
        if row.upload_name is None and row.quarantine_reason is not None:
            row.deleted_at = tx.now
            record(tx, "deleted", "in the bucket, after it was quarantined", obj=row)
        elif row.upload_name is None and row.batch_id is not None:
            quarantine_until_found_again(tx, row, "deleted before its upload")
        elif row.upload_name is None:
            row.deleted_at = tx.now
            record(tx, "deleted", "in the bucket: the marker may be put again", obj=row)
        else:
            row.deleted_at = tx.now
            record(tx, "deleted", f"in the bucket, after its upload (deletions: {spec.deletions})", obj=row)
            if spec.deletions is Deletions.DROP:
                batches.export_again(tx, row.batch_id, f"{row.stored.url} was deleted and is left out")
    return len(rows)


def not_deleted(tx: Transaction, keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those of the buckets and keys that are registered and not known to be deleted."""
    wanted = set(keys)
    rows = tx.execute(
        select(Object.bucket, Object.key).where(*with_any_key(wanted), Object.deleted_at.is_(None)).distinct()
    )
    return [(bucket, key) for bucket, key in rows if (bucket, key) in wanted]


def register_marker(tx: Transaction, spec: DatasetSpec, obj: StoredObject, via: str) -> list[Batch]:
    """Register a marker and close the dataset's open batches of its folder; return those.

    None are closed if the marker was registered before.
    """
    datasets.lock(tx, spec.name)
    rows = _insert_unknown(tx, spec, [obj], via)
    if not rows:
        return []
    record(tx, "marker", f"registered by {via}", obj=rows[0])
    opened = batches.lock_all_open(tx, spec.name)
    groups = set(groups_of_marker({batch.object_group for batch in opened}, obj))
    closing = [batch for batch in opened if batch.object_group in groups]
    for batch in closing:
        batches.close_on_event(tx, spec.batch, batch, MarkerArrives(obj.url))
    return closing


def quarantine(tx: Transaction, obj: Object, reason: str) -> None:
    """Quarantine an object: it stays registered, with the reason, and its batch continues without it."""
    obj.quarantine_reason = printable(reason)
    record(tx, "quarantined", obj.quarantine_reason, obj=obj)


def quarantine_until_found_again(tx: Transaction, obj: Object, reason: str) -> None:
    """Quarantine an object whose content is not in the bucket now, and mark it as deleted.

    A later notification or listing that finds the same content registers the object again.
    """
    obj.deleted_at = tx.now
    quarantine(tx, obj, reason)


def unregistered(tx: Transaction, dataset: str, found: Sequence[StoredObject]) -> list[StoredObject]:
    """Return those of `found`, in order, that are not registered in the dataset or are recorded as deleted."""
    rows = tx.execute(
        select(Object.bucket, Object.key, Object.etag).where(
            Object.dataset == dataset,
            *with_any_key((obj.bucket, obj.key) for obj in found),
            Object.deleted_at.is_(None),
        )
    )
    registered = {tuple(row) for row in rows} if found else set()
    return [obj for obj in found if obj.identity not in registered]


def of_key(tx: Transaction, bucket: str, key: str, *, lock: bool = False) -> Sequence[Object]:
    """Return every registered content of a key, oldest first; `lock` keeps an upload from beginning meanwhile."""
    query = select(Object).where(Object.bucket == bucket, Object.key == key).order_by(Object.id)
    return tx.scalars(query.with_for_update(key_share=True) if lock else query).all()


def _insert_unknown(tx: Transaction, spec: DatasetSpec, found: Sequence[StoredObject], via: str) -> Sequence[Object]:
    """Insert objects; return the rows of new and of reappeared ones in the order of `found`, in few statements.

    The dataset must be locked (`datasets.lock`).
    """
    now = tx.now
    values = [
        {
            "dataset": spec.name,
            "bucket": obj.bucket,
            "key": obj.key,
            "etag": obj.etag,
            "size": obj.size,
            "version_id": obj.version_id,
            "registered_via": via,
            "registered_at": now,
        }
        for obj in found
    ]
    insert = dialect_insert(tx, Object)
    new = tx.scalars(insert.on_conflict_do_nothing().returning(Object), values).all() if values else []
    order = {obj.identity: position for position, obj in enumerate(found)}
    rows = [*new, *_reappeared(tx, spec, found)] if len(new) < len(found) else new
    return sorted(rows, key=lambda row: order[row.stored.identity])


def _reappeared(tx: Transaction, spec: DatasetSpec, found: Sequence[StoredObject]) -> Iterator[Object]:
    """Yield contents and markers that were deleted and put again, and that no task has: they are registered again."""
    wanted = {obj.identity for obj in found}
    deleted = select(Object).where(
        Object.dataset == spec.name,
        *with_any_key((obj.bucket, obj.key) for obj in found),
        Object.deleted_at.is_not(None),
    )
    rows = [row for row in tx.scalars(deleted).all() if row.stored.identity in wanted]
    _end_quarantines(tx, spec.name, rows)  # here, because those that stay quarantined are not registered again
    for row in rows:
        row.deleted_at = None
        record(tx, "reappeared", "the same content was put again", obj=row)
        if row.upload_name is None and (row.quarantine_reason or "").startswith(MANUALLY):
            record(tx, "quarantined", row.quarantine_reason or "", obj=row)  # still: only a person restores it
        elif row.upload_name is None:
            yield row
        elif spec.deletions is Deletions.DROP:
            batches.export_again(tx, row.batch_id, f"{row.stored.url} was put again")


def _earlier(tx: Transaction, dataset: str, rows: Sequence[Object]) -> Mapping[tuple[str, str], list[Object]]:
    """Return the other contents of the same files that are in batches and not quarantined, by bucket and key."""
    query = (
        select(Object)
        .where(
            Object.dataset == dataset,
            *with_any_key((row.bucket, row.key) for row in rows),
            Object.id.not_in([row.id for row in rows]),
            Object.quarantine_reason.is_(None),
            Object.batch_id.is_not(None),
        )
        .with_for_update(key_share=True)
    )
    earlier: dict[tuple[str, str], list[Object]] = {}
    for old in tx.scalars(query) if rows else ():
        earlier.setdefault((old.bucket, old.key), []).append(old)
    return earlier


def _end_quarantines(tx: Transaction, dataset: str, rows: Sequence[Object]) -> None:
    """Mark the quarantined contents of the same files as deleted: they are not in the bucket any more."""
    by_key = {(row.bucket, row.key): row for row in rows}
    query = (
        select(Object)
        .where(
            Object.dataset == dataset,
            *with_any_key(by_key),
            Object.id.not_in([row.id for row in rows]),
            Object.quarantine_reason.is_not(None),
            Object.deleted_at.is_(None),
        )
        .with_for_update(key_share=True)
    )
    for old in tx.scalars(query).all() if rows else ():
        if (new := by_key.get((old.bucket, old.key))) is not None:
            old.deleted_at, old.refused_at = tx.now, None
            record(tx, "replaced", f"by a new content ({new.etag}): its quarantine is over", obj=old)


def _quarantine_overwrite(
    tx: Transaction,
    spec: DatasetSpec,
    row: Object,
    earlier: Mapping[tuple[str, str], list[Object]],
) -> bool:
    """Quarantine an object whose file is already labelled, unless `overwrites: relabel`; return whether it was.

    Earlier contents that were not uploaded are quarantined: the object replaces them.
    """
    others = earlier.get((row.bucket, row.key), [])
    for old in others:
        if old.upload_name is None:
            quarantine_until_found_again(tx, old, f"overwritten before its upload, by {row.etag}")
    labelled = next((old for old in others if old.upload_name is not None), None)
    if labelled is None or spec.overwrites is Overwrites.RELABEL:
        return False
    reason = f"{NEW_CONTENT}{labelled.batch_id} (overwrites: {spec.overwrites})"
    quarantine(tx, row, reason)
    return True
