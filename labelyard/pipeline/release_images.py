"""The images of a release: which objects are in it, and copies of them if the dataset wants copies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from labelyard.config import DatasetSpec, Deletions
from labelyard.domain.objects import StoredObject, address_of, parse_address
from labelyard.errors import STORE_UNAVAILABLE, ObjectDeleted, StoreError
from labelyard.formats.file_paths import file_paths
from labelyard.ledger.releases import identity_of
from labelyard.ledger.tables import Object
from labelyard.releases.passport import ImageFacts
from labelyard.releases.sources import Placement
from labelyard.storage import Store, concurrently, content_digests


class ReleaseImages:
    """The images in the exports that a release merges, in the order of the batches.

    Of images with one content the first stands for all.
    """

    def __init__(self, spec: DatasetSpec, store: Store) -> None:
        self._spec, self._store = spec, store
        self._objects: dict[str, dict[tuple[str, str, str], Object]] = {}
        self._first: dict[str, Object] = {}
        self._copies: dict[str, StoredObject | str] = {}

    def add(self, batch: str, found: Iterable[Object], exported: Iterable[Mapping[str, Any]]) -> None:
        """Add the objects of a batch that are in its export, given the images of that.

        Objects without a SHA-256 are read here, so that equal contents are found among them too.
        """
        wanted = set(map(_address, exported))
        of_batch = sorted((one for one in found if one.stored.identity in wanted), key=lambda row: row.id)
        unread = {one.stored: one for one in of_batch if one.sha256 is None}
        for stored, sha256 in content_digests(self._store, list(unread)).items():
            unread[stored].sha256 = sha256
        self._objects[batch] = {one.stored.identity: one for one in of_batch}
        for one in of_batch:
            if not self._excluded(one) and (identity := identity_of(one)) not in self._first:
                self._first[identity] = one

    @property
    def facts(self) -> dict[str, ImageFacts]:
        """Where each image comes from, by its identity."""
        return {
            identity: ImageFacts(one.batch_id or "", one.registered_via, one.registered_at.isoformat())
            for identity, one in self._first.items()
        }

    @cached_property
    def _paths(self) -> dict[int, str]:
        """A path for each image that is safe and unique: its key, where that is both. Used after the last `add`."""
        images = list(self._first.values())
        paths = file_paths(one.key for one in images)
        return {one.id: path for one, path in zip(images, paths, strict=True)}

    def copy(self, bucket: str, folder: str, *, only_planned: bool) -> None:
        """Copy the content of each image into a folder of the bucket, under a key that all releases share.

        A content that is there already is not copied again. One that the store has no more, or refuses, is left out.
        With `only_planned` nothing is written. Raises StoreUnreachable, StoreUnauthorized.
        """

        def copied(item: tuple[str, Object]) -> StoredObject | str:
            identity, one = item
            name = one.sha256 or hashlib.sha256(identity.encode()).hexdigest()
            key = f"{folder}{name}{PurePosixPath(one.key).suffix.lower()}"
            try:
                return self._store.head(bucket, key)
            except ObjectDeleted:
                pass
            if only_planned:
                return StoredObject(bucket, key, one.etag, one.size)
            try:
                return self._store.copy(one.stored, bucket, key)
            except STORE_UNAVAILABLE:
                raise
            except StoreError as error:
                return f"it cannot be copied: {error.what}"

        copies = concurrently(copied, list(self._first.items()))
        self._copies = dict(zip(self._first, copies, strict=True))

    def placement(self, batch: str, image: Mapping[str, Any]) -> Placement:
        """Return what the release does with an image in the export of a batch."""
        one = self._objects[batch].get(_address(image))
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
        fields: dict[str, Any] = {"file_name": self._paths[one.id], "sha256": one.sha256, "size": one.size}
        if copy is not None:
            fields |= {"coco_url": address_of(copy.bucket, copy.key), "etag": copy.etag, "size": copy.size}
            fields |= {"version_id": copy.version_id or ""} if one.version_id else {}
        return Placement(identity, fields={name: value for name, value in fields.items() if value is not None})

    def _excluded(self, one: Object) -> str | None:
        if one.quarantine_reason is not None:
            return "quarantined"
        if one.deleted_at is not None and self._spec.deletions is Deletions.DROP:
            return "deleted from the bucket"
        return None


def _address(image: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return bucket, key and ETag of an image in an export."""
    return *(parse_address(str(image.get("coco_url"))) or ("", "")), str(image.get("etag"))
