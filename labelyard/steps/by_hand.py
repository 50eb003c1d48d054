"""What a person decides: an object is set aside or comes back, a batch is abandoned, a dataset pauses."""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from labelyard.errors import NotKnown
from labelyard.ledger import batches, datasets, objects
from labelyard.ledger.history import tell
from labelyard.ledger.tables import Batch, Dataset, Object
from labelyard.plan.lifecycle import BatchState
from labelyard.workplace import Workplace

BY_HAND = "by hand: "
"""What the reason of whatever a person set aside begins with."""


def bucket_and_key(address: str) -> tuple[str, str]:
    """The parts of s3://bucket/key. Raises NotKnown where it is none."""
    bucket, key = urlsplit(address).netloc, address.removeprefix("s3://").partition("/")[2]
    if not address.startswith("s3://") or not bucket or not key:
        raise NotKnown(f"{address!r} is not the address of an object", next_step="write s3://bucket/key")
    return bucket, key


def set_aside(place: Workplace, address: str, why: str) -> Object:
    """Take an object out: not yet uploaded, its batch goes on without it; uploaded, the next export leaves it out.

    Raises NotKnown where it never landed or is set aside already.
    """
    with place.ledger.write() as session:
        bucket, key = bucket_and_key(address)
        counting = [
            row
            for row in objects.named(session, bucket, key, lock=True)
            if row.refused is None and row.batch_id is not None
        ]
        if not counting:
            raise NotKnown("no content of it is part of a batch", where=address, next_step=f"labelyard why {address}")
        row = counting[-1]
        objects.refuse(place.ledger, session, row, f"{BY_HAND}{why}")
        batches.export_again(place.ledger, session, row.batch_id, f"{address} was set aside and is left out")
    return row


def restore(place: Workplace, address: str) -> Object:
    """Take an object back: into the exports of the task that holds it, else into its dataset's open batch.

    Raises NotKnown where no content of it is set aside.
    """
    with place.ledger.write() as session:
        bucket, key = bucket_and_key(address)
        rows = objects.named(session, bucket, key, lock=True)
        aside = [row for row in rows if row.refused is not None or _abandoned(_batch(session, row))]
        if not aside:
            raise NotKnown("no content of it is set aside", where=address, next_step=f"labelyard why {address}")
        row = aside[-1]
        batch = _batch(session, row)
        row.refused = None
        tell(place.ledger, session, "restored", "by hand", obj=row)
        if row.upload_name is not None and not _abandoned(batch):
            batches.export_again(place.ledger, session, row.batch_id, f"{address} was restored")
        elif batch is None or batch.state is not BatchState.OPEN:
            row.upload_name = None
            objects.join(place.ledger, session, datasets.spec(session, row.dataset), [row], "restored by hand")
    return row


def abandon(place: Workplace, batch_id: str, why: str) -> Batch:
    """Give a batch up. Its task stays in CVAT for whoever worked on it; `restore` brings single objects back."""
    with place.ledger.write() as session:
        batch = batches.get(session, batch_id, lock=True)
        batches.move(place.ledger, session, batch, BatchState.ABANDONED, f"by hand: {why}")
        batch.claimed_by = batch.lease_until = None  # whoever is at it loses the claim at the next check
    return batch


def release(place: Workplace, batch_id: str) -> Batch:
    """Let go of an exported batch: its task may be deleted, and what happens to it there changes nothing any more."""
    with place.ledger.write() as session:
        batch = batches.get(session, batch_id, lock=True)
        batches.move(place.ledger, session, batch, BatchState.RELEASED, "by hand")
    return batch


def pause(place: Workplace, dataset: str, why: str) -> None:
    """Let no run of a dataset begin; objects still land, and what runs now finishes."""
    with place.ledger.write() as session:
        row = _dataset(session.get(Dataset, dataset, with_for_update=True), dataset)
        row.paused_at, row.paused_why = place.ledger.now(session), why or None
        tell(place.ledger, session, "paused", why or "by hand", dataset=dataset)


def resume(place: Workplace, dataset: str) -> int:
    """Let a paused dataset go on; returns how many batches waited."""
    with place.ledger.write() as session:
        row = _dataset(session.get(Dataset, dataset, with_for_update=True), dataset)
        row.paused_at = row.paused_why = None
        tell(place.ledger, session, "resumed", "by hand", dataset=dataset)
        return sum(batch.dataset == dataset for batch in batches.in_states(session, batches.ANNOUNCED_BY))


def retire(place: Workplace, dataset: str) -> None:
    """Let nothing more land in a dataset; what landed before goes on to its end."""
    with place.ledger.write() as session:
        row = _dataset(session.get(Dataset, dataset, with_for_update=True), dataset)
        row.retired_at = place.ledger.now(session)
        tell(place.ledger, session, "retired", "by hand", dataset=dataset)


def _dataset(row: Dataset | None, name: str) -> Dataset:
    if row is None:
        raise NotKnown(f"the ledger holds no dataset {name!r}", next_step="labelyard status")
    return row


def _batch(session: Session, row: Object) -> Batch | None:
    return session.get(Batch, row.batch_id) if row.batch_id else None


def _abandoned(batch: Batch | None) -> bool:
    return batch is not None and batch.state is BatchState.ABANDONED
