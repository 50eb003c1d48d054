"""What a person decides: an object is set aside or comes back, a batch is abandoned, a dataset pauses."""

from __future__ import annotations

from urllib.parse import urlsplit

from labelyard.context import Context
from labelyard.domain.states import BatchState
from labelyard.errors import NotFound
from labelyard.ledger import Transaction, batches, datasets, objects
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Dataset, Object

BY_HAND = "by hand: "
"""What the reason of whatever a person set aside begins with."""


def bucket_and_key(address: str) -> tuple[str, str]:
    """The parts of s3://bucket/key. Raises NotKnown where it is none."""
    bucket, key = urlsplit(address).netloc, address.removeprefix("s3://").partition("/")[2]
    if not address.startswith("s3://") or not bucket or not key:
        raise NotFound(f"{address!r} is not the address of an object", next_step="write s3://bucket/key")
    return bucket, key


def quarantine(context: Context, address: str, why: str) -> Object:
    """Take an object out: not yet uploaded, its batch goes on without it; uploaded, the next export leaves it out.

    Raises NotKnown where it never landed or is set aside already.
    """
    with context.ledger.transaction() as tx:
        bucket, key = bucket_and_key(address)
        counting = [
            row
            for row in objects.of_key(tx, bucket, key, lock=True)
            if row.quarantine_reason is None and row.batch_id is not None
        ]
        if not counting:
            raise NotFound("no content of it is part of a batch", where=address, next_step=f"labelyard why {address}")
        row = counting[-1]
        objects.quarantine(tx, row, f"{BY_HAND}{why}")
        batches.export_again(tx, row.batch_id, f"{address} was set aside and is left out")
    return row


def restore(context: Context, address: str) -> Object:
    """Take an object back: into the exports of the task that holds it, else into its dataset's open batch.

    Raises NotKnown where no content of it is set aside.
    """
    with context.ledger.transaction() as tx:
        bucket, key = bucket_and_key(address)
        rows = objects.of_key(tx, bucket, key, lock=True)
        aside = [row for row in rows if row.quarantine_reason is not None or _is_cancelled(_batch(tx, row))]
        if not aside:
            raise NotFound("no content of it is set aside", where=address, next_step=f"labelyard why {address}")
        row = aside[-1]
        batch = _batch(tx, row)
        row.quarantine_reason = None
        record(tx, "restored", "by hand", obj=row)
        if row.upload_name is not None and not _is_cancelled(batch):
            batches.export_again(tx, row.batch_id, f"{address} was restored")
        elif batch is None or batch.state is not BatchState.OPEN:
            row.upload_name = None
            objects.add_to_batch(tx, datasets.spec(tx, row.dataset), [row], "restored by hand")
    return row


def cancel(context: Context, batch_id: str, why: str) -> Batch:
    """Give a batch up. Its task stays in CVAT for whoever worked on it; `restore` brings single objects back."""
    with context.ledger.transaction() as tx:
        batch = batches.get(tx, batch_id, lock=True)
        batches.move(tx, batch, BatchState.CANCELLED, f"by hand: {why}")
        batch.leased_by = batch.leased_until = None  # whoever is at it loses the claim at the next check
    return batch


def archive(context: Context, batch_id: str) -> Batch:
    """Let go of an exported batch: its task may be deleted, and what happens to it there changes nothing any more."""
    with context.ledger.transaction() as tx:
        batch = batches.get(tx, batch_id, lock=True)
        batches.move(tx, batch, BatchState.ARCHIVED, "by hand")
    return batch


def pause(context: Context, dataset: str, why: str) -> None:
    """Let no run of a dataset begin; objects still land, and what runs now finishes."""
    with context.ledger.transaction() as tx:
        row = _dataset(tx.get(Dataset, dataset, with_for_update=True), dataset)
        row.paused_at, row.pause_reason = tx.now, why or None
        record(tx, "paused", why or "by hand", dataset=dataset)


def resume(context: Context, dataset: str) -> int:
    """Let a paused dataset go on; returns how many batches waited."""
    with context.ledger.transaction() as tx:
        row = _dataset(tx.get(Dataset, dataset, with_for_update=True), dataset)
        row.paused_at = row.pause_reason = None
        record(tx, "resumed", "by hand", dataset=dataset)
        return sum(batch.dataset == dataset for batch in batches.in_states(tx, batches.EVENT_OF_STATE))


def retire(context: Context, dataset: str) -> None:
    """Let nothing more land in a dataset; what landed before goes on to its end."""
    with context.ledger.transaction() as tx:
        row = _dataset(tx.get(Dataset, dataset, with_for_update=True), dataset)
        row.retired_at = tx.now
        record(tx, "retired", "by hand", dataset=dataset)


def _dataset(row: Dataset | None, name: str) -> Dataset:
    if row is None:
        raise NotFound(f"the ledger holds no dataset {name!r}", next_step="labelyard status")
    return row


def _batch(tx: Transaction, row: Object) -> Batch | None:
    return tx.get(Batch, row.batch_id) if row.batch_id else None


def _is_cancelled(batch: Batch | None) -> bool:
    return batch is not None and batch.state is BatchState.CANCELLED
