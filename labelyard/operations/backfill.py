"""Register what a dataset's sources already contain, while notifications of new objects arrive."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.objects import s3_url
from labelyard.errors import InputError, StoreError
from labelyard.ledger import datasets
from labelyard.ledger.tables import Dataset
from labelyard.pipeline.register_objects import Registered, register_listed


def backfill(context: Context, dataset: str) -> Iterator[Registered]:
    """Register the objects in a dataset's sources; yield each page's result once committed. Full batches close.

    It may be interrupted after any page and run again: registered objects are skipped quickly. Raises NotFound,
    InputError for a paused dataset, StoreError for a source that cannot be listed or if no source contains anything,
    all before the first object is registered.
    """
    spec = _active_spec(context, dataset)
    listings = [context.store.list(source.bucket, source.prefix) for source in spec.sources]
    firsts = [list(islice(listing, 1)) for listing in listings]
    if not any(firsts):
        where = ", ".join(s3_url(source.bucket, source.prefix) for source in spec.sources)
        next_step = "correct the prefix in the dataset file and `labelyard apply` it"
        raise StoreError("contains nothing", where=where, next_step=next_step)
    for first, listing in zip(firsts, listings, strict=True):
        yield from register_listed(context, [spec], chain(first, listing), "backfill")


def _active_spec(context: Context, dataset: str) -> DatasetSpec:
    with context.ledger.read_only() as tx:
        spec = datasets.spec(tx, dataset)
        row = tx.get_one(Dataset, dataset)
        if row.paused_at is not None:
            why = f": {row.pause_reason}" if row.pause_reason else ""
            raise InputError(f"{dataset} is paused{why}", next_step=f"labelyard resume {dataset}")
    return spec
