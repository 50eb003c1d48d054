"""The objects: one row for one content of one file, however often it is told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm.attributes import set_committed_value

from labelyard.config import DatasetSpec, Deletions, Overwrites
from labelyard.domain.batching import due, must_close_before
from labelyard.domain.objects import StoredObject
from labelyard.ledger import Transaction, batches, insert_unless_there
from labelyard.ledger.history import record, record_each
from labelyard.ledger.tables import Batch, Object


def register(tx: Transaction, spec: DatasetSpec, found: Sequence[StoredObject], via: str) -> Sequence[Object]:
    """Put objects into their dataset's open batch; returns those that were new. Closes what they fill.

    Of a file that changed, the new content takes the place of one that was not uploaded; what it means for one that
    was, the dataset says.
    """
    rows = _inserted(tx, spec, found, via)
    earlier = _earlier(tx, spec.name, rows)
    wanted = [row for row in rows if not _replaces_labelled(tx, spec, row, earlier)]
    add_to_batch(tx, spec, wanted, f"told by {via}")
    return rows


def add_to_batch(tx: Transaction, spec: DatasetSpec, rows: Iterable[Object], reason: str) -> None:
    """Put objects into their dataset's open batch, closing what they fill or what is full."""
    batch, now = None, tx.now
    joining: list[Object] = []
    for row in rows:
        batch = batch or batches.get_or_open(tx, spec.name)
        full = must_close_before(spec.batch, batches.filling(batch), row.size or 0)
        if full is not None:
            _enter(tx, batch, joining, reason)
            batches.close(tx, batch, full)
            batch, joining = batches.get_or_open(tx, spec.name), []
        joining.append(row)
        batch.objects += 1
        batch.bytes += row.size or 0
        batch.last_registered_at = now
        due_to = due(spec.batch, batches.filling(batch), now)
        if due_to is not None:
            _enter(tx, batch, joining, reason)
            batches.close(tx, batch, due_to)
            batch, joining = None, []
    if batch is not None:
        _enter(tx, batch, joining, reason)


def _enter(tx: Transaction, batch: Batch, rows: Sequence[Object], reason: str) -> None:
    """Write that objects are in a batch: two statements, however many they are."""
    if not rows:
        return
    tx.flush()
    of_rows = update(Object).where(Object.id.in_([row.id for row in rows]))
    tx.execute(
        of_rows.values(batch_id=batch.id, quarantine_reason=None), execution_options={"synchronize_session": False}
    )
    for row in rows:
        set_committed_value(row, "batch_id", batch.id)
        set_committed_value(row, "quarantine_reason", None)
    record_each(tx, "landed", f"{reason}, into batch {batch.id}", rows)


def mark_deleted(tx: Transaction, spec: DatasetSpec, bucket: str, key: str) -> int:
    """The store has no such key any more: what was not uploaded is set aside, the rest is as the dataset says."""
    rows = [row for row in of_key(tx, bucket, key, lock=True) if row.dataset == spec.name and row.deleted_at is None]
    for row in rows:
        if row.upload_name is None and row.quarantine_reason is not None:  # put again, it shall still be set aside
            record(tx, "deleted", "in the bucket, after it was set aside", obj=row)
        elif row.upload_name is None and row.batch_id is not None:
            quarantine_missing(tx, row, "deleted before its upload")
        elif row.upload_name is None:
            row.deleted_at = tx.now
            record(tx, "deleted", "in the bucket: the marker may be set again", obj=row)
        else:
            row.deleted_at = tx.now
            record(tx, "deleted", f"in the bucket, after its upload (deletions: {spec.deletions})", obj=row)
            if spec.deletions is Deletions.DROP:
                batches.export_again(tx, row.batch_id, f"{row.stored.url} was deleted and is left out")
    return len(rows)


def not_deleted(tx: Transaction, keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of some buckets and keys that landed and of which no deletion is known."""
    wanted = set(keys)
    rows = tx.execute(select(Object.bucket, Object.key).where(*_at(wanted), Object.deleted_at.is_(None)).distinct())
    return [(bucket, key) for bucket, key in rows if (bucket, key) in wanted]


def register_marker(tx: Transaction, spec: DatasetSpec, obj: StoredObject, via: str) -> Batch | None:
    """Note a marker and close the dataset's open batch; None if the marker landed before or nothing is open."""
    rows = _inserted(tx, spec, [obj], via)
    if not rows:
        return None
    record(tx, "marker", f"told by {via}", obj=rows[0])
    batch = batches.lock_open(tx, spec.name)
    if batch is not None and batch.objects:
        batches.close(tx, batch, f"the marker {obj.url} came")
    return batch


def quarantine(tx: Transaction, obj: Object, reason: str) -> None:
    """Set an object aside: it stays known, with the reason, and its batch goes on without it."""
    obj.quarantine_reason = reason
    record(tx, "set aside", reason, obj=obj)


def quarantine_missing(tx: Transaction, obj: Object, reason: str) -> None:
    """Set an object aside whose content seems to have left the bucket.

    Who says so may have looked too early, or the content be put again: where it is seen, it lands once more.
    """
    obj.deleted_at = tx.now
    quarantine(tx, obj, reason)


def unregistered(tx: Transaction, dataset: str, found: Sequence[StoredObject]) -> list[StoredObject]:
    """Those of `found` that never landed in the dataset, or were gone since, in order."""
    rows = tx.execute(
        select(Object.bucket, Object.key, Object.etag).where(
            Object.dataset == dataset,
            *_at((obj.bucket, obj.key) for obj in found),
            Object.deleted_at.is_(None),
        )
    )
    landed = {tuple(row) for row in rows} if found else set()
    return [obj for obj in found if _identity(obj) not in landed]


def _at(keys: Iterable[tuple[str, str]]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The conditions for being under one of some buckets and keys, and sometimes under another one: look again.

    A pair of columns IN (VALUES …) would be exact, and SQLite reads the whole table for it.
    """
    pairs = list(keys)
    return Object.bucket.in_({bucket for bucket, _ in pairs}), Object.key.in_([key for _, key in pairs])


def of_key(tx: Transaction, bucket: str, key: str, *, lock: bool = False) -> Sequence[Object]:
    """Every content of a key that ever landed, oldest first; `lock` where an upload must not begin meanwhile."""
    query = select(Object).where(Object.bucket == bucket, Object.key == key).order_by(Object.id)
    return tx.scalars(query.with_for_update() if lock else query).all()


def _inserted(tx: Transaction, spec: DatasetSpec, found: Sequence[StoredObject], via: str) -> Sequence[Object]:
    """The rows of what is new, or was gone and is back, in the order of `found`; in few statements, however many."""
    now = tx.now
    values = [
        {
            "dataset": spec.name,
            "bucket": obj.bucket,
            "key": obj.key,
            "etag": obj.etag,
            "size": obj.size,
            "version_id": obj.version_id,
            "via": via,
            "registered_at": now,
        }
        for obj in found
    ]
    batches.lock(tx, spec.name)
    insert = insert_unless_there(tx, Object)
    new = tx.scalars(insert.on_conflict_do_nothing().returning(Object), values).all() if values else []
    order = {_identity(obj): context for context, obj in enumerate(found)}
    rows = [*new, *_returned(tx, spec, found)] if len(new) < len(found) else new
    return sorted(rows, key=lambda row: order[_identity(row)])


def _returned(tx: Transaction, spec: DatasetSpec, found: Sequence[StoredObject]) -> Iterator[Object]:
    """Contents that were deleted and put again, and that land again because no task holds them; markers too."""
    wanted = {_identity(obj) for obj in found}
    gone = select(Object).where(
        Object.dataset == spec.name, *_at((obj.bucket, obj.key) for obj in found), Object.deleted_at.is_not(None)
    )
    for row in tx.scalars(gone).all():
        if _identity(row) not in wanted:
            continue
        row.deleted_at = None
        record(tx, "back", "the same content was put again", obj=row)
        if row.upload_name is None:
            yield row
        elif spec.deletions is Deletions.DROP:
            batches.export_again(tx, row.batch_id, f"{row.stored.url} was put again")


def _earlier(tx: Transaction, dataset: str, rows: Sequence[Object]) -> Mapping[tuple[str, str], list[Object]]:
    """Other contents of the same files that count, by bucket and key."""
    query = (
        select(Object)
        .where(
            Object.dataset == dataset,
            *_at((row.bucket, row.key) for row in rows),
            Object.id.not_in([row.id for row in rows]),
            Object.quarantine_reason.is_(None),
            Object.batch_id.is_not(None),
        )
        .with_for_update()
    )
    earlier: dict[tuple[str, str], list[Object]] = {}
    for old in tx.scalars(query) if rows else ():
        earlier.setdefault((old.bucket, old.key), []).append(old)
    return earlier


def _replaces_labelled(
    tx: Transaction,
    spec: DatasetSpec,
    row: Object,
    earlier: Mapping[tuple[str, str], list[Object]],
) -> bool:
    """Whether an object is kept out because an earlier content of its file is labelled; else it takes its place."""
    old_ones = earlier.get((row.bucket, row.key), [])
    for old in old_ones:
        if old.upload_name is None:
            quarantine_missing(tx, old, f"overwritten before its upload, by {row.etag}")
    labelled = next((old for old in old_ones if old.upload_name is not None), None)
    if labelled is None or spec.overwrites is Overwrites.RELABEL:
        return False
    reason = f"a new content of what is labelled in {labelled.batch_id} (overwrites: {spec.overwrites})"
    quarantine(tx, row, reason)
    return True


def _identity(obj: StoredObject | Object) -> tuple[str, str, str]:
    return obj.bucket, obj.key, obj.etag
