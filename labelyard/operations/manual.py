"""Decisions of a person: quarantine or restore an object, cancel or archive a batch, pause or retire a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from labelyard.config import Deletions
from labelyard.context import Context
from labelyard.domain.objects import parse_address
from labelyard.domain.quarantine import MANUALLY
from labelyard.domain.states import BatchState
from labelyard.errors import NotFound
from labelyard.escaping import unescaped
from labelyard.ledger import Transaction, batches, datasets, objects
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Object


def bucket_and_key(address: str) -> tuple[str, str]:
    """Return the parts of s3://bucket/key. Raises NotFound for another form."""
    found = parse_address(address)
    if found is None or not found[1]:
        raise NotFound(f"{address!r} is not the address of an object", next_step="write s3://bucket/key")
    return found


def of_address(tx: Transaction, address: str, *, lock: bool = False) -> Sequence[Object]:
    """Return every registered content of s3://bucket/key, oldest first, also if its key is escaped as `status` does."""
    for reading in dict.fromkeys((address, unescaped(address))):
        if rows := objects.of_key(tx, *bucket_and_key(reading), lock=lock):
            return rows
    return []


def quarantine(context: Context, address: str, why: str) -> Object:
    """Quarantine an object: before its upload its batch continues without it, later the next export leaves it out.

    Raises NotFound if no content of it is in a batch.
    """
    with context.ledger.transaction() as tx:
        rows = of_address(tx, address, lock=True)
        in_batch = [row for row in rows if row.quarantine_reason is None and row.batch_id is not None]
        if not in_batch:
            raise NotFound("no content of it is part of a batch", where=address, next_step=f"labelyard why {address}")
        row = in_batch[-1]
        objects.quarantine(tx, row, f"{MANUALLY}{why}")
        batches.export_again(tx, row.batch_id, f"{address} was quarantined and is left out")
    return row


def restore(context: Context, address: str) -> Object:
    """Restore an object: into the exports of the task that has it, else into its dataset's open batch.

    Raises NotFound if no content of it is quarantined or in a cancelled batch, or only one that the bucket has no more.
    """
    with context.ledger.transaction() as tx:
        rows = of_address(tx, address, lock=True)
        left_out = [row for row in rows if row.quarantine_reason is not None or _is_cancelled(_batch(tx, row))]
        if not left_out:
            raise NotFound("no content of it is quarantined", where=address, next_step=f"labelyard why {address}")
        in_bucket = [row for row in left_out if _can_be_restored(tx, row, rows)]
        if not in_bucket:
            raise _not_in_bucket(left_out[-1], rows, address)
        row = in_bucket[-1]
        batch = _batch(tx, row)
        row.quarantine_reason = row.refused_at = None
        record(tx, "restored", "manually", obj=row)
        if row.upload_name is not None and not _is_cancelled(batch):
            batches.export_again(tx, row.batch_id, f"{address} was restored")
        elif batch is None or batch.state is not BatchState.OPEN:
            row.upload_name = None
            objects.add_to_batch(tx, datasets.spec(tx, row.dataset), [row], "restored manually")
    return row


def cancel(context: Context, batch_id: str, why: str) -> Batch:
    """Cancel a batch. Its task stays in CVAT with everybody's work; `restore` brings single objects back.

    The next sweep deletes the task if it is empty, a later one if CVAT has lost its upload.
    """
    with context.ledger.transaction() as tx:
        batch = batches.get(tx, batch_id, lock=True)
        batches.move(tx, batch, BatchState.CANCELLED, f"manually: {why}")
        batch.leased_by = batch.leased_until = None  # a run that works on it loses its lease at the next check
    return batch


def archive(context: Context, batch_id: str) -> Batch:
    """Archive an exported batch: its task is no longer checked and may be deleted, its exports stay."""
    with context.ledger.transaction() as tx:
        batch = batches.get(tx, batch_id, lock=True)
        batches.move(tx, batch, BatchState.ARCHIVED, "manually")
    return batch


def pause(context: Context, dataset: str, why: str) -> None:
    """Start no new run of a dataset; objects are still registered, and running work finishes."""
    with context.ledger.transaction() as tx:
        row = datasets.lock(tx, dataset)
        row.paused_at, row.pause_reason = tx.now, why or None
        record(tx, "paused", why or "manually", dataset=dataset)


def resume(context: Context, dataset: str) -> int:
    """Start runs of a paused dataset again; return how many batches wait for one."""
    with context.ledger.transaction() as tx:
        row = datasets.lock(tx, dataset)
        row.paused_at = row.pause_reason = None
        record(tx, "resumed", "manually", dataset=dataset)
        return sum(batch.dataset == dataset for batch in batches.in_states(tx, batches.EVENT_OF_STATE))


def retire(context: Context, dataset: str) -> None:
    """Register no new objects in a dataset; its existing batches continue."""
    with context.ledger.transaction() as tx:
        row = datasets.lock(tx, dataset)
        row.retired_at = tx.now
        record(tx, "retired", "manually", dataset=dataset)


def _can_be_restored(tx: Transaction, row: Object, rows: Sequence[Object]) -> bool:
    """Return whether a content is in the bucket, or a task has it and its dataset keeps the labels of deleted files."""
    if row.deleted_at is None:
        return True
    is_in_task = row.upload_name is not None and not _is_cancelled(_batch(tx, row))
    return is_in_task and not _newer(row, rows) and datasets.spec(tx, row.dataset).deletions is not Deletions.DROP


def _not_in_bucket(row: Object, rows: Sequence[Object], address: str) -> NotFound:
    if newer := _newer(row, rows):
        return NotFound(
            f"a newer content ({newer.etag}), registered at {newer.registered_at:%Y-%m-%d %H:%M:%S}, replaced the one"
            f" that is left out ({row.etag})",
            where=address,
            next_step=f"`labelyard why {address}` shows both; to label the old one, put it into the bucket again",
        )
    return NotFound(
        f"the bucket has it no more: deleted or overwritten at {row.deleted_at:%Y-%m-%d %H:%M:%S}",
        where=address,
        next_step=f"put it into the bucket again, then `labelyard why {address}`",
    )


def _newer(row: Object, rows: Sequence[Object]) -> Object | None:
    """Return the content of the same file that the bucket has instead of a deleted one."""
    return next((one for one in reversed(rows) if one.dataset == row.dataset and one.deleted_at is None), None)


def _batch(tx: Transaction, row: Object) -> Batch | None:
    return tx.get(Batch, row.batch_id) if row.batch_id else None


def _is_cancelled(batch: Batch | None) -> bool:
    return batch is not None and batch.state is BatchState.CANCELLED
