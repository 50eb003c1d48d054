"""The current state of many objects in the store, in few requests: what a notification says may be outdated."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import compress, islice
from os.path import commonprefix
from typing import TypeVar

from labelyard.domain.objects import StoredObject
from labelyard.errors import ObjectArchived, ObjectChanged, ObjectDeleted, ObjectRefused
from labelyard.storage.store import LISTING_PAGE, Store

_log = logging.getLogger(__name__)
_CONCURRENT_REQUESTS = 16
_MIN_TO_LIST = 10
"""From this many objects of a folder on, a listing is tried before HEADs."""
_LISTED_KEYS_PER_HEAD = 20
"""Listing this many keys costs less than one HEAD, in this process and in the store."""

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def head_objects(store: Store, objects: Iterable[StoredObject]) -> list[StoredObject]:
    """Return the current state of each distinct key of `objects`; those that do not exist are left out.

    A burst of notifications has many keys of one folder: a listing finds those, HEADs find the rest. A listing has no
    version ids. Where the ETag is the notified one, the notified version id is kept.
    """
    wanted = {(obj.bucket, obj.key): obj for obj in objects}
    folders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for bucket, key in sorted(wanted):  # `_list` needs sorted keys
        folders[bucket, key.rpartition("/")[0]].append(key)
    to_list = [(bucket, keys) for (bucket, _), keys in folders.items() if len(keys) >= _MIN_TO_LIST]
    found: dict[tuple[str, str], StoredObject] = {}
    for listed in concurrently(lambda folder: _list(store, *folder), to_list):
        found |= {(obj.bucket, obj.key): _with_version(obj, wanted[obj.bucket, obj.key]) for obj in listed}
    rest = [obj for address, obj in wanted.items() if address not in found]
    heads = concurrently(lambda obj: _head(store, obj), rest)
    return [*found.values(), *(obj for obj in heads if obj is not None)]


def readable_objects(store: Store, objects: Sequence[StoredObject]) -> dict[StoredObject, bool | None]:
    """Return whether the store lets each object be read; None where another content, or none, has its key."""

    def is_readable(obj: StoredObject) -> bool | None:
        try:
            return store.is_readable(obj)
        except (ObjectDeleted, ObjectChanged):
            return None
        except ObjectArchived:
            return False

    return dict(zip(objects, concurrently(is_readable, objects), strict=True))


def content_digests(store: Store, objects: Sequence[StoredObject]) -> dict[StoredObject, str | None]:
    """Return the SHA-256 of each object, None of those that cannot be read as they are."""

    def sha256(obj: StoredObject) -> str | None:
        digest = hashlib.sha256()
        try:
            for chunk in store.read(obj):
                digest.update(chunk)
        except (ObjectDeleted, ObjectChanged, ObjectArchived, ObjectRefused) as error:
            _log.info("not compared with its earlier content: %s", error.happened)
            return None
        return digest.hexdigest()

    return dict(zip(objects, concurrently(sha256, objects), strict=True))


def missing_objects(store: Store, objects: Sequence[StoredObject]) -> list[StoredObject]:
    """Return the objects whose keys do not exist now."""
    missing = concurrently(lambda obj: not store.exists(obj.bucket, obj.key), objects)
    return list(compress(objects, missing))


def _list(store: Store, bucket: str, keys: Sequence[str]) -> list[StoredObject]:
    """Return what a listing finds of sorted keys; it ends early when its pages hold too few of them."""
    found: list[StoredObject] = []
    wanted, page_size = set(keys), min(LISTING_PAGE, len(keys) + _MIN_TO_LIST)
    prefix = commonprefix([keys[0], keys[-1]])  # noqa: RUF071 - to S3 a prefix is text, no path
    # Without its last character: `after` is exclusive, and the first key must be listed.
    listing = store.list(bucket, prefix, after=keys[0][:-1], page_size=page_size)
    while page := list(islice(listing, page_size)):
        hits = [obj for obj in page if obj.key in wanted]
        found += hits
        if page[-1].key >= keys[-1] or len(hits) * _LISTED_KEYS_PER_HEAD < len(page):
            break
    return found


def _with_version(listed: StoredObject, notified: StoredObject) -> StoredObject:
    if notified.version_id and notified.etag == listed.etag:
        return replace(listed, version_id=notified.version_id)
    return listed


def _head(store: Store, obj: StoredObject) -> StoredObject | None:
    try:
        return store.head(obj.bucket, obj.key)
    except ObjectDeleted:
        _log.info("%s does not exist: deleted before it was registered, or its key was sent in another form", obj.url)
        return None
    except ObjectRefused as refusal:
        if not obj.etag:
            raise
        _log.warning("registered as notified, because the store refuses to show it: %s", refusal)
        return obj


def concurrently(call: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
    """Return the results of calls that ask the store, in the order of their arguments; 16 run at the same time."""
    if len(arguments) < 2:
        return [call(argument) for argument in arguments]
    with ThreadPoolExecutor(min(_CONCURRENT_REQUESTS, len(arguments))) as pool:
        return list(pool.map(call, arguments))
