"""Backfilling: what a bucket holds already lands in its dataset, beside whatever events tell meanwhile."""

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
    """Land what the sources of a dataset hold; what came of each chunk, once committed. Batches close as they fill.

    May be left after any chunk and begun again: what landed is known then, which is quick. Raises NotKnown, InputError
    for a dataset that is paused, StoreError for a source that cannot be listed or none that holds anything, each before
    anything lands.
    """
    spec = _ready(context, dataset)
    listings = [context.store.list(source.bucket, source.prefix) for source in spec.sources]
    firsts = [list(islice(listing, 1)) for listing in listings]
    if not any(firsts):
        places = ", ".join(s3_url(source.bucket, source.prefix) for source in spec.sources)
        raise StoreError(
            "holds nothing", where=places, next_step="correct the prefix in the dataset file and `labelyard apply` it"
        )
    for first, listing in zip(firsts, listings, strict=True):
        yield from register_listed(context, [spec], chain(first, listing), "backfill")


def _ready(context: Context, dataset: str) -> DatasetSpec:
    with context.ledger.read_only() as tx:
        spec = datasets.spec(tx, dataset)
        row = tx.get_one(Dataset, dataset)
        if row.paused_at is not None:
            why = f": {row.pause_reason}" if row.pause_reason else ""
            raise InputError(f"{dataset} is paused{why}", next_step=f"labelyard resume {dataset}")
    return spec
