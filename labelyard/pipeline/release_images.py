"""The images of a release: which objects are in it, and copies of them if the dataset wants copies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

from labelyard.config import DatasetSpec, Deletions
from labelyard.domain.objects import StoredObject
from labelyard.errors import STORE_UNAVAILABLE, ObjectDeleted, StoreError
from labelyard.ledger.releases import identity_of
from labelyard.ledger.tables import Object
from labelyard.releases.passport import ImageFacts
from labelyard.releases.sources import Placement
from labelyard.storage import Store

_CONCURRENT_REQUESTS = 16


class ReleaseImages:
    """The objects of all batches that a release merges, in the order of the batches.

    Of objects with one content the first stands for all.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        self.facts: dict[str, ImageFacts] = {}
        """Where each image comes from, by its identity."""
        self._spec = spec
        self._objects: dict[str, dict[tuple[str, str, str], Object]] = {}
        self._first: dict[str, Object] = {}
        self._copies: dict[str, StoredObject | str] = {}

    def add(self, batch: str, found: Iterable[Object]) -> None:
        """Add the objects of a batch."""
        of_batch = self._objects[batch] = {}
        for one in sorted(found, key=lambda row: row.id):
            of_batch[one.bucket, one.key, one.etag] = one
            if not self._excluded(one) and (identity := identity_of(one)) not in self._first:
                self._first[identity] = one
                self.facts[identity] = ImageFacts(batch, one.registered_via, one.registered_at.isoformat())

    def copy(self, store: Store, bucket: str, folder: str) -> None:
        """Copy the content of each image into a folder of the bucket, under a key that all releases share.

        A content that is there already is not copied again. One that the store has no more, or refuses, is left out.
        Raises StoreUnreachable, StoreUnauthorized.
        """

        def copied(item: tuple[str, Object]) -> StoredObject | str:
            identity, one = item
            name = one.sha256 or hashlib.sha256(identity.encode()).hexdigest()
            key = f"{folder}{name}{PurePosixPath(one.key).suffix.lower()}"
            try:
                return store.head(bucket, key)
            except ObjectDeleted:
                pass
            try:
                return store.copy(one.stored, bucket, key)
            except STORE_UNAVAILABLE:
                raise
            except StoreError as error:
                return f"it cannot be copied: {error.what}"

        with ThreadPoolExecutor(_CONCURRENT_REQUESTS, thread_name_prefix="copy") as pool:
            self._copies = dict(zip(self._first, pool.map(copied, self._first.items()), strict=True))

    def placement(self, batch: str, image: Mapping[str, Any]) -> Placement:
        """Return what the release does with an image in the export of a batch."""
        bucket, _, key = str(image.get("coco_url", "")).removeprefix("s3://").partition("/")
        one = self._objects[batch].get((bucket, key, str(image.get("etag"))))
        if one is None:
            return Placement(image["file_name"], left_out="not an object of its batch in the ledger")
        identity = identity_of(one)
        if reason := self._excluded(one):
            return Placement(identity, left_out=reason)
        if self._first[identity].id != one.id:
            return Placement(identity, left_out="the same content as another image")
        copy = self._copies.get(identity)
        if isinstance(copy, str):
            return Placement(identity, left_out=copy)
        fields: dict[str, Any] = {"sha256": one.sha256, "size": one.size}
        if copy is not None:
            fields |= {"coco_url": f"s3://{copy.bucket}/{copy.key}", "etag": copy.etag, "size": copy.size}
            fields |= {"version_id": copy.version_id or ""} if one.version_id else {}
        return Placement(identity, fields={name: value for name, value in fields.items() if value is not None})

    def _excluded(self, one: Object) -> str | None:
        if one.quarantine_reason is not None:
            return "quarantined"
        if one.deleted_at is not None and self._spec.deletions is Deletions.DROP:
            return "deleted from the bucket"
        return None
