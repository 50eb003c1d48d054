"""The objects: one row for one content of one file, however often it is told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from labelyard.ledger import Ledger, batches, insert_unless_there
from labelyard.ledger.history import tell, tell_of_each
from labelyard.ledger.tables import Batch, Object
from labelyard.model import StoredObject
from labelyard.plan.batching import due, must_close_before
from labelyard.spec import DatasetSpec, Deletions, Overwrites


def land(
    ledger: Ledger, session: Session, spec: DatasetSpec, found: Sequence[StoredObject], via: str
) -> Sequence[Object]:
    """Put objects into their dataset's open batch; returns those that were new. Closes what they fill.

    Of a file that changed, the new content takes the place of one that was not uploaded; what it means for one that
    was, the dataset says.
    """
    rows = _inserted(ledger, session, spec, found, via)
    earlier = _earlier(session, spec.name, rows)
    wanted = [row for row in rows if not _replaces_labelled(ledger, session, spec, row, earlier)]
    join(ledger, session, spec, wanted, f"told by {via}")
    return rows


def join(ledger: Ledger, session: Session, spec: DatasetSpec, rows: Iterable[Object], reason: str) -> None:
    """Put objects into their dataset's open batch, closing what they fill or what is full."""
    batch, now = None, ledger.now(session)
    joining: list[Object] = []
    for row in rows:
        batch = batch or batches.get_or_open(ledger, session, spec.name)
        full = must_close_before(spec.batch, batches.filling(batch), row.size or 0)
        if full is not None:
            _enter(ledger, session, batch, joining, reason)
            batches.close(ledger, session, batch, full)
            batch, joining = batches.get_or_open(ledger, session, spec.name), []
        joining.append(row)
        batch.objects += 1
        batch.bytes += row.size or 0
        batch.last_landed_at = now
        due_to = due(spec.batch, batches.filling(batch), now)
        if due_to is not None:
            _enter(ledger, session, batch, joining, reason)
            batches.close(ledger, session, batch, due_to)
            batch, joining = None, []
    if batch is not None:
        _enter(ledger, session, batch, joining, reason)


def _enter(ledger: Ledger, session: Session, batch: Batch, rows: Sequence[Object], reason: str) -> None:
    """Write that objects are in a batch: two statements, however many they are."""
    if not rows:
        return
    session.flush()
    of_rows = update(Object).where(Object.id.in_([row.id for row in rows]))
    session.execute(of_rows.values(batch_id=batch.id, refused=None), execution_options={"synchronize_session": False})
    for row in rows:
        set_committed_value(row, "batch_id", batch.id)
        set_committed_value(row, "refused", None)
    tell_of_each(ledger, session, "landed", f"{reason}, into batch {batch.id}", rows)


def gone(ledger: Ledger, session: Session, spec: DatasetSpec, bucket: str, key: str) -> int:
    """The store has no such key any more: what was not uploaded is set aside, the rest is as the dataset says."""
    rows = [row for row in named(session, bucket, key, lock=True) if row.dataset == spec.name and row.gone_at is None]
    for row in rows:
        if row.upload_name is None and row.refused is not None:  # put again, it shall still be set aside
            tell(ledger, session, "deleted", "in the bucket, after it was set aside", obj=row)
        elif row.upload_name is None and row.batch_id is not None:
            lose(ledger, session, row, "deleted before its upload")
        elif row.upload_name is None:
            row.gone_at = ledger.now(session)
            tell(ledger, session, "deleted", "in the bucket: the marker may be set again", obj=row)
        else:
            row.gone_at = ledger.now(session)
            tell(ledger, session, "deleted", f"in the bucket, after its upload (deletions: {spec.deletions})", obj=row)
            if spec.deletions is Deletions.DROP:
                batches.export_again(ledger, session, row.batch_id, f"{row.stored.url} was deleted and is left out")
    return len(rows)


def present(session: Session, keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of some buckets and keys that landed and of which no deletion is known."""
    wanted = set(keys)
    rows = session.execute(select(Object.bucket, Object.key).where(*_at(wanted), Object.gone_at.is_(None)).distinct())
    return [(bucket, key) for bucket, key in rows if (bucket, key) in wanted]


def land_marker(ledger: Ledger, session: Session, spec: DatasetSpec, obj: StoredObject, via: str) -> Batch | None:
    """Note a marker and close the dataset's open batch; None if the marker landed before or nothing is open."""
    rows = _inserted(ledger, session, spec, [obj], via)
    if not rows:
        return None
    tell(ledger, session, "marker", f"told by {via}", obj=rows[0])
    batch = batches.lock_open(session, spec.name)
    if batch is not None and batch.objects:
        batches.close(ledger, session, batch, f"the marker {obj.url} came")
    return batch


def refuse(ledger: Ledger, session: Session, obj: Object, reason: str) -> None:
    """Set an object aside: it stays known, with the reason, and its batch goes on without it."""
    obj.refused = reason
    tell(ledger, session, "set aside", reason, obj=obj)


def lose(ledger: Ledger, session: Session, obj: Object, reason: str) -> None:
    """Set an object aside whose content seems to have left the bucket.

    Who says so may have looked too early, or the content be put again: where it is seen, it lands once more.
    """
    obj.gone_at = ledger.now(session)
    refuse(ledger, session, obj, reason)


def lacking(session: Session, dataset: str, found: Sequence[StoredObject]) -> list[StoredObject]:
    """Those of `found` that never landed in the dataset, or were gone since, in order."""
    rows = session.execute(
        select(Object.bucket, Object.key, Object.etag).where(
            Object.dataset == dataset,
            *_at((obj.bucket, obj.key) for obj in found),
            Object.gone_at.is_(None),
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


def named(session: Session, bucket: str, key: str, *, lock: bool = False) -> Sequence[Object]:
    """Every content of a key that ever landed, oldest first; `lock` where an upload must not begin meanwhile."""
    query = select(Object).where(Object.bucket == bucket, Object.key == key).order_by(Object.id)
    return session.scalars(query.with_for_update() if lock else query).all()


def _inserted(
    ledger: Ledger, session: Session, spec: DatasetSpec, found: Sequence[StoredObject], via: str
) -> Sequence[Object]:
    """The rows of what is new, or was gone and is back, in the order of `found`; in few statements, however many."""
    now = ledger.now(session)
    values = [
        {
            "dataset": spec.name,
            "bucket": obj.bucket,
            "key": obj.key,
            "etag": obj.etag,
            "size": obj.size,
            "version_id": obj.version_id,
            "via": via,
            "landed_at": now,
        }
        for obj in found
    ]
    batches.lock(session, spec.name)
    insert = insert_unless_there(session, Object)
    new = session.scalars(insert.on_conflict_do_nothing().returning(Object), values).all() if values else []
    order = {_identity(obj): place for place, obj in enumerate(found)}
    rows = [*new, *_returned(ledger, session, spec, found)] if len(new) < len(found) else new
    return sorted(rows, key=lambda row: order[_identity(row)])


def _returned(ledger: Ledger, session: Session, spec: DatasetSpec, found: Sequence[StoredObject]) -> Iterator[Object]:
    """Contents that were deleted and put again, and that land again because no task holds them; markers too."""
    wanted = {_identity(obj) for obj in found}
    gone = select(Object).where(
        Object.dataset == spec.name, *_at((obj.bucket, obj.key) for obj in found), Object.gone_at.is_not(None)
    )
    for row in session.scalars(gone).all():
        if _identity(row) not in wanted:
            continue
        row.gone_at = None
        tell(ledger, session, "back", "the same content was put again", obj=row)
        if row.upload_name is None:
            yield row
        elif spec.deletions is Deletions.DROP:
            batches.export_again(ledger, session, row.batch_id, f"{row.stored.url} was put again")


def _earlier(session: Session, dataset: str, rows: Sequence[Object]) -> Mapping[tuple[str, str], list[Object]]:
    """Other contents of the same files that count, by bucket and key."""
    query = (
        select(Object)
        .where(
            Object.dataset == dataset,
            *_at((row.bucket, row.key) for row in rows),
            Object.id.not_in([row.id for row in rows]),
            Object.refused.is_(None),
            Object.batch_id.is_not(None),
        )
        .with_for_update()
    )
    earlier: dict[tuple[str, str], list[Object]] = {}
    for old in session.scalars(query) if rows else ():
        earlier.setdefault((old.bucket, old.key), []).append(old)
    return earlier


def _replaces_labelled(
    ledger: Ledger,
    session: Session,
    spec: DatasetSpec,
    row: Object,
    earlier: Mapping[tuple[str, str], list[Object]],
) -> bool:
    """Whether an object is kept out because an earlier content of its file is labelled; else it takes its place."""
    old_ones = earlier.get((row.bucket, row.key), [])
    for old in old_ones:
        if old.upload_name is None:
            lose(ledger, session, old, f"overwritten before its upload, by {row.etag}")
    labelled = next((old for old in old_ones if old.upload_name is not None), None)
    if labelled is None or spec.overwrites is Overwrites.RELABEL:
        return False
    reason = f"a new content of what is labelled in {labelled.batch_id} (overwrites: {spec.overwrites})"
    refuse(ledger, session, row, reason)
    return True


def _identity(obj: StoredObject | Object) -> tuple[str, str, str]:
    return obj.bucket, obj.key, obj.etag
