"""Read the releases in the bucket into a restored or rebuilt ledger, so that the next one keeps ids and splits."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.objects import s3_url
from labelyard.errors import InputError
from labelyard.ledger import datasets, releases
from labelyard.ledger.releases import FoundRelease
from labelyard.pipeline.release_files import LATEST, Pointer, fetch_file, published_image, read_pointer
from labelyard.releases.manifest import IMAGES, MANIFEST, Manifest, read_manifest, references

_log = logging.getLogger(__name__)


def recover_releases(context: Context) -> list[FoundRelease]:
    """Record every release in the bucket that is newer than those in the ledger, for all datasets; return them.

    Ids, splits and numbers go on from there. Raises InputError if files of a release are missing or were changed,
    LeaseTaken while a run builds a release.
    """
    with context.ledger.read_only() as tx:
        specs = list(datasets.current(tx))
    return [one for spec in specs for one in _of_dataset(context, spec)]


def _of_dataset(context: Context, spec: DatasetSpec) -> Iterator[FoundRelease]:
    prefix = f"{spec.release.prefix}{spec.name}/"
    pointer = read_pointer(context.store, spec.release_bucket, prefix)
    if pointer is None:
        return
    if pointer.dataset != spec.name:
        where = s3_url(spec.release_bucket, prefix + LATEST)
        raise InputError(f"it names a release of {pointer.dataset}, not of {spec.name}", where=where)
    with context.ledger.read_only() as tx:
        newest = releases.latest(tx, spec.name)
    for number in range(newest.number + 1 if newest else 1, pointer.release + 1):
        with context.spool_folder("recover") as folder:
            found = _fetched(context, spec, pointer, number, folder)
            if found is None:
                continue
            with context.ledger.transaction() as tx:
                releases.recover(tx, found, map(published_image, references(folder)))
        _log.info("%s: release %d was read back from the bucket", spec.name, number)
        yield found


def _fetched(context: Context, spec: DatasetSpec, pointer: Pointer, number: int, folder: Path) -> FoundRelease | None:
    """Write the manifest and the list of images of a release into a folder; None if an earlier one was deleted."""
    bucket, prefix = spec.release_bucket, f"{spec.release.prefix}{spec.name}/{number}/"
    is_newest = number == pointer.release
    if not is_newest and not context.store.exists(bucket, prefix + MANIFEST):
        _log.warning("%s: release %d is not in the bucket any more", spec.name, number)
        return None
    known = pointer.manifest_sha256 if is_newest else None
    fetch_file(context.store, bucket, prefix + MANIFEST, folder / MANIFEST, known)
    manifest = read_manifest(folder)
    images = next((entry.sha256 for entry in manifest.files if entry.path == IMAGES), None)
    fetch_file(context.store, bucket, prefix + IMAGES, folder / IMAGES, images)
    sha256 = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    return FoundRelease(
        spec.name, number, _version(manifest), bucket, prefix, sha256, manifest.items,
        [source.sha256 for source in manifest.sources],
    )  # fmt: skip


def _version(manifest: Manifest) -> int:
    """Return the newest version of the dataset file that its exports followed."""
    versions = (source.info.get("dataset_version") for source in manifest.sources)
    return max((one for one in versions if type(one) is int), default=1)
