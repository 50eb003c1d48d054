"""Looking at objects in the store before they land: what a notification says is a hint, and may be old."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from os.path import commonprefix

from labelyard.errors import ObjectGone
from labelyard.model import StoredObject
from labelyard.storage import LISTING_PAGE, Store

_log = logging.getLogger(__name__)
_HEADS = 16
"""HEADs side by side."""
_MANY = 10
"""From so many objects of a bucket on, a listing is tried before HEADs."""
_WORTH = 20
"""A key of a listing costs less than a twentieth of a HEAD, in this process and in the store."""


def look(store: Store, told: Iterable[StoredObject]) -> list[StoredObject]:
    """Each object as the store has it now, once; what is gone is left out.

    A burst of notifications tells of keys that lie close together: those a listing shows, the rest is asked for one by
    one. A listing knows no version ids, so an object keeps the one that was told with the same ETag.
    """
    by_bucket: dict[str, dict[str, StoredObject]] = defaultdict(dict)
    for one in told:
        by_bucket[one.bucket][one.key] = one
    found = {(bucket, key): _versioned(obj, wanted[key])
             for bucket, wanted in by_bucket.items() if len(wanted) >= _MANY
             for key, obj in _listed(store, bucket, sorted(wanted)).items()}  # fmt: skip
    rest = [one for wanted in by_bucket.values() for one in wanted.values() if (one.bucket, one.key) not in found]
    return [*found.values(), *_asked_for(store, rest)]


def still_there(store: Store, objects: Sequence[StoredObject]) -> list[bool]:
    """Whether each key exists now."""
    if not objects:
        return []
    with ThreadPoolExecutor(min(_HEADS, len(objects))) as pool:
        return list(pool.map(lambda one: store.exists(one.bucket, one.key), objects))


def _listed(store: Store, bucket: str, keys: Sequence[str]) -> dict[str, StoredObject]:
    """What a listing of the keys' neighbourhood shows of them, as long as it is worth its pages."""
    found: dict[str, StoredObject] = {}
    wanted, page_size = set(keys), min(LISTING_PAGE, 2 * len(keys))
    prefix = commonprefix([keys[0], keys[-1]])  # noqa: RUF071 - to S3 a prefix is text, no path
    listing = store.list(bucket, prefix, after=keys[0][:-1], page_size=page_size)
    while page := list(islice(listing, page_size)):
        shown = {obj.key: obj for obj in page if obj.key in wanted}
        found |= shown
        if page[-1].key >= keys[-1] or len(shown) * _WORTH < len(page):
            break
    return found


def _versioned(listed: StoredObject, told: StoredObject) -> StoredObject:
    return replace(listed, version_id=told.version_id) if told.version_id and told.etag == listed.etag else listed


def _asked_for(store: Store, rest: Sequence[StoredObject]) -> list[StoredObject]:
    if not rest:
        return []
    with ThreadPoolExecutor(min(_HEADS, len(rest))) as pool:
        return [obj for obj in pool.map(lambda one: _head(store, one), rest) if obj is not None]


def _head(store: Store, told: StoredObject) -> StoredObject | None:
    try:
        return store.head(told.bucket, told.key)
    except ObjectGone:
        _log.info("%s was deleted before it landed", told.url)
        return None
