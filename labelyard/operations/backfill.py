"""Register what a dataset's sources already contain, while notifications of new objects arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.objects import s3_url
from labelyard.errors import InputError, StoreError
from labelyard.ledger import datasets
from labelyard.ledger.tables import Dataset
from labelyard.pipeline.register_objects import BACKFILL, Registered, register_listed


@dataclass(frozen=True)
class Selection:
    """What to register of a dataset's sources: keys that begin with `prefix`, written in [`since`, `until`)."""

    prefix: str = ""
    since: datetime | None = None
    until: datetime | None = None


def backfill(context: Context, dataset: str, selection: Selection = Selection()) -> Iterator[Registered]:
    """Register the objects in a dataset's sources; yield each page's result once committed. Full batches close.

    They join batches of their own, whose runs wait while what arrives now waits for a run. It may be interrupted after
    any page and run again: registered objects are skipped quickly. Raises NotFound, InputError for a paused dataset or
    a prefix outside of its sources, StoreError for a source that cannot be listed or if no source contains anything,
    all before the first object is registered.
    """
    spec = _active_spec(context, dataset)
    locations = list(_locations(spec, selection))
    listings = [
        context.store.list(bucket, prefix, since=selection.since, until=selection.until) for bucket, prefix in locations
    ]
    firsts = [list(islice(listing, 1)) for listing in listings]
    if not any(firsts):
        where = ", ".join(s3_url(bucket, prefix) for bucket, prefix in locations)
        if selection != Selection():
            raise StoreError("contains nothing of that time", where=where, next_step=f"labelyard backfill {dataset}")
        next_step = "correct the prefix in the dataset file and `labelyard apply` it"
        raise StoreError("contains nothing", where=where, next_step=next_step)
    for first, listing in zip(firsts, listings, strict=True):
        yield from register_listed(context, [spec], chain(first, listing), BACKFILL)


def _locations(spec: DatasetSpec, selection: Selection) -> Iterator[tuple[str, str]]:
    """Yield bucket and prefix of each listing."""
    found = [
        (source.bucket, max(source.prefix, selection.prefix, key=len))
        for source in spec.sources
        if source.prefix.startswith(selection.prefix) or selection.prefix.startswith(source.prefix)
    ]
    if not found:
        sources = ", ".join(s3_url(source.bucket, source.prefix) for source in spec.sources)
        next_step = f"write a prefix that begins with that of a source: {sources}"
        raise InputError(f"{selection.prefix!r} is in no source of {spec.name}", next_step=next_step)
    yield from found


def _active_spec(context: Context, dataset: str) -> DatasetSpec:
    with context.ledger.read_only() as tx:
        spec = datasets.spec(tx, dataset)
        row = tx.get_one(Dataset, dataset)
        if row.paused_at is not None:
            why = f": {row.pause_reason}" if row.pause_reason else ""
            raise InputError(f"{dataset} is paused{why}", next_step=f"labelyard resume {dataset}")
    return spec
