"""The files of releases in the bucket: fetching them, and the pointer to the newest release."""

from __future__ import annotations

import hashlib
import math
import time
from pathlib import Path

import msgspec
from msgspec import UNSET

from labelyard.domain.objects import StoredObject, parse_address, s3_url
from labelyard.errors import InputError, ObjectDeleted
from labelyard.ledger.releases import PublishedImage
from labelyard.releases.lines import Digest, digest_of
from labelyard.releases.manifest import MANIFEST, SIGNATURE, SUMS, ImageReference, Manifest, read_manifest
from labelyard.storage import Store

LATEST = "latest.json"
"""The file, in the folder of a dataset's releases, that names the newest one."""

_RESTORE = "restore the file in the bucket from a backup or an earlier version"


def fetch_file(store: Store, bucket: str, key: str, to: Path, sha256: str | None, *, next_step: str = _RESTORE) -> None:
    """Write an object of the bucket to a file. Raises InputError if it is missing, or not what was written there."""
    where = s3_url(bucket, key)
    part = to.with_name(f".{to.name}.part")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        found = download(store, StoredObject(bucket, key, ""), part)
        if sha256 in (None, found.sha256):
            part.replace(to)
            return
    except ObjectDeleted as error:
        raise InputError("the file is not in the bucket any more", where=where, next_step=next_step) from error
    except OSError as error:
        raise InputError(f"it cannot be written: {error.strerror}", where=str(to)) from error
    finally:
        part.unlink(missing_ok=True)
    what = "another file was written over it: its SHA-256 is not the one that was recorded"
    raise InputError(what, where=where, next_step=next_step)


def download(store: Store, obj: StoredObject, to: Path, *, until: float = math.inf) -> Digest:
    """Write an object to a file, and return its size and SHA-256. Raises StoreError, OSError.

    Raises TimeoutError if not all of it is there at `until`, a time of `time.monotonic`.
    """
    digest, size = hashlib.sha256(), 0
    with to.open("wb") as file:
        for chunk in store.read(obj):
            if time.monotonic() > until:
                raise TimeoutError
            digest.update(chunk)
            size += file.write(chunk)
    return Digest(size, digest.hexdigest())


def fetch_release(store: Store, bucket: str, prefix: str, folder: Path, sha256: str | None) -> Manifest:
    """Write the files of a release, without its images, into a folder; `sha256` is that of its manifest.

    Files that are there already and right are kept. Raises InputError if a file is missing or not as the manifest says.
    """
    fetch_file(store, bucket, prefix + MANIFEST, folder / MANIFEST, sha256)
    manifest = read_manifest(folder)
    for entry in manifest.files:
        path = folder / entry.path
        if not (path.is_file() and digest_of(path).sha256 == entry.sha256):
            fetch_file(store, bucket, prefix + entry.path, path, entry.sha256)
    fetch_file(store, bucket, prefix + SUMS, folder / SUMS, None)
    if store.exists(bucket, prefix + SIGNATURE):
        fetch_file(store, bucket, prefix + SIGNATURE, folder / SIGNATURE, None)
    return manifest


def image_object(one: ImageReference) -> StoredObject | None:
    """Return the object that is an image of a release; None if the release does not say where it is."""
    found = parse_address(one.coco_url) if one.coco_url is not UNSET else None
    return StoredObject(*found, one.etag or "", one.size or None, version_id=one.version_id or None) if found else None


def published_image(one: ImageReference) -> PublishedImage:
    """Return an image of a release as the ledger records it."""
    identity = one.identity or one.file_name
    return PublishedImage(identity, one.id, one.split, one.group or identity)


class Pointer(msgspec.Struct, frozen=True):
    """What `latest.json` says: the newest release, its folder in the same bucket, and the SHA-256 of its manifest."""

    dataset: str
    release: int
    prefix: str
    manifest_sha256: str


def read_pointer(store: Store, bucket: str, folder: str) -> Pointer | None:
    """Return what the `latest.json` of a dataset's releases says, None if there is none.

    Raises InputError for anything else.
    """
    key = folder + LATEST
    try:
        return msgspec.json.decode(b"".join(store.read(StoredObject(bucket, key, ""))), type=Pointer)
    except ObjectDeleted:
        return None
    except ValueError as error:
        raise InputError(f"it does not name a release: {error}", where=s3_url(bucket, key)) from error
