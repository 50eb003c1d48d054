"""Whether the store refuses single objects, which are quarantined, or everything, which a person must allow again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, islice

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.objects import StoredObject
from labelyard.errors import LabelyardError, ObjectRefused, StoreError
from labelyard.ledger import refusals
from labelyard.ledger.tables import Object
from labelyard.storage import readable_objects

_ASKED = 5
"""Other objects of the bucket that are asked for; one that can be read shows that the bucket is not refused."""
_LISTED = 10_000
"""Keys among which they are looked for."""


def check_bucket_is_readable(
    context: Context, spec: DatasetSpec, batch: str, members: Sequence[Object], failures: Mapping[int, LabelyardError]
) -> None:
    """Raise StoreError if the store refuses every object of a bucket, not only some of this batch.

    `failures` are by object id; every other member was read. A single object in an empty bucket counts as some.
    """
    unreadable = [member for member in members if isinstance(failures.get(member.id), ObjectRefused)]
    read = {member.bucket for member in members if not isinstance(failures.get(member.id), StoreError)}
    for bucket in {member.bucket for member in unreadable} - read:
        of_bucket = {member.stored for member in unreadable if member.bucket == bucket}
        others = _other_objects(context, spec, bucket, of_bucket)
        if any(readable_objects(context.store, others).values()) or (len(of_bucket) == 1 and not others):
            continue
        refusal = next(failures[member.id] for member in unreadable if member.bucket == bucket)
        raise StoreError(
            f"{refusal.what}; {len(of_bucket) + len(others)} objects of this bucket were tried, none can be read",
            where=f"{batch}, s3://{bucket}",
            next_step="let this account read there (s3:GetObject, kms:Decrypt); the batch is tried again automatically",
        )


def _other_objects(
    context: Context, spec: DatasetSpec, bucket: str, unreadable: Collection[StoredObject]
) -> list[StoredObject]:
    """Return objects of the bucket that could be read before, then those that a listing begins with."""
    with context.ledger.read_only() as tx:
        known = refusals.uploaded(tx, bucket, _ASKED)
        waiting = {(obj.bucket, obj.key) for obj in refusals.waiting(tx, spec.name, _LISTED)}
    waiting |= {(obj.bucket, obj.key) for obj in unreadable}
    listings = (context.store.list(bucket, source.prefix) for source in spec.sources if source.bucket == bucket)
    listed = islice(chain.from_iterable(listings), _LISTED)
    others = (obj for obj in chain(known, listed) if (obj.bucket, obj.key) not in waiting)
    return list(islice(others, _ASKED))
