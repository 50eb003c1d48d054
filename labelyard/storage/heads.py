"""Looking at objects in the store before they land: what a notification says is a hint, and may be old."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from os.path import commonprefix
from typing import TypeVar

from labelyard.domain.objects import StoredObject
from labelyard.errors import ObjectDeleted
from labelyard.storage.store import LISTING_PAGE, Store

_log = logging.getLogger(__name__)
_REQUESTS = 16
"""Requests side by side."""
_MANY = 10
"""From so many objects of a folder on, a listing is tried before HEADs."""
_WORTH = 20
"""A key of a listing costs less than a twentieth of a HEAD, in this process and in the store."""

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def head_objects(store: Store, told: Iterable[StoredObject]) -> list[StoredObject]:
    """Each object as the store has it now, once; what is gone is left out.

    A burst of notifications tells of keys that lie close together: those a listing shows, the rest is asked for one by
    one. A listing knows no version ids, so an object keeps the one that was told with the same ETag.
    """
    wanted = {(one.bucket, one.key): one for one in told}
    folders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for bucket, key in sorted(wanted):
        folders[bucket, key.rpartition("/")[0]].append(key)
    crowded = [(bucket, keys) for (bucket, _), keys in folders.items() if len(keys) >= _MANY]
    found: dict[tuple[str, str], StoredObject] = {}
    for shown in _side_by_side(lambda one: _listed(store, *one), crowded):
        found |= {(obj.bucket, obj.key): _versioned(obj, wanted[obj.bucket, obj.key]) for obj in shown}
    rest = [one for place, one in wanted.items() if place not in found]
    return [*found.values(), *(obj for obj in _side_by_side(lambda one: _head(store, one), rest) if obj is not None)]


def exist(store: Store, objects: Sequence[StoredObject]) -> list[bool]:
    """Whether each key exists now."""
    return _side_by_side(lambda one: store.exists(one.bucket, one.key), objects)


def _listed(store: Store, bucket: str, keys: Sequence[str]) -> list[StoredObject]:
    """What a listing of the keys' neighbourhood shows of them, as long as it is worth its pages."""
    found: list[StoredObject] = []
    wanted, page_size = set(keys), min(LISTING_PAGE, len(keys) + _MANY)
    prefix = commonprefix([keys[0], keys[-1]])  # noqa: RUF071 - to S3 a prefix is text, no path
    listing = store.list(bucket, prefix, after=keys[0][:-1], page_size=page_size)
    while page := list(islice(listing, page_size)):
        shown = [obj for obj in page if obj.key in wanted]
        found += shown
        if page[-1].key >= keys[-1] or len(shown) * _WORTH < len(page):
            break
    return found


def _versioned(listed: StoredObject, told: StoredObject) -> StoredObject:
    return replace(listed, version_id=told.version_id) if told.version_id and told.etag == listed.etag else listed


def _side_by_side(ask: Callable[[Asked], Answer], about: Sequence[Asked]) -> list[Answer]:
    if len(about) < 2:
        return [ask(one) for one in about]
    with ThreadPoolExecutor(min(_REQUESTS, len(about))) as pool:
        return list(pool.map(ask, about))


def _head(store: Store, told: StoredObject) -> StoredObject | None:
    try:
        return store.head(told.bucket, told.key)
    except ObjectDeleted:
        _log.info("%s was deleted before it landed", told.url)
        return None
