"""What a release is made of: files of the bucket on disk, and what the ledger knows of each image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from labelyard.config import DatasetSpec, Deletions, People
from labelyard.context import Context
from labelyard.domain.objects import StoredObject, s3_url
from labelyard.errors import InputError, ObjectDeleted
from labelyard.formats.coco.parts import read_parts
from labelyard.ledger import batches, jobs, releases
from labelyard.ledger.tables import Export, Object, Release
from labelyard.releases.lines import digest_of
from labelyard.releases.manifest import MANIFEST, SIGNATURE, SUMS, Manifest, read_manifest
from labelyard.releases.passport import BatchFacts, ImageFacts, JobFacts, Passport
from labelyard.releases.sources import Placement, SourceFile
from labelyard.storage import Store

LATEST = "latest.json"
"""The file, in the folder of a dataset's releases, that names the newest one."""


def fetch_file(store: Store, bucket: str, key: str, to: Path, sha256: str | None) -> None:
    """Write an object of the bucket to a file. Raises InputError if it is missing, or not what was written there."""
    where = s3_url(bucket, key)
    to.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with to.open("wb") as file:
            for chunk in store.read(StoredObject(bucket, key, "")):
                digest.update(chunk)
                file.write(chunk)
    except ObjectDeleted as error:
        raise InputError("the file is not in the bucket any more", where=where, next_step="labelyard repair") from error
    if sha256 is not None and digest.hexdigest() != sha256:
        what = "another file was written over it: its SHA-256 is not that of the ledger"
        raise InputError(what, where=where, next_step="labelyard repair")


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


# --- images -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Owner:
    """The image that stands for a content: its batch and its object."""

    batch: str
    object_id: int
    key: str


class Images:
    """The objects of all batches that a release merges, in the order of the batches.

    Of objects with one content the first stands for all.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        self._spec = spec
        self._objects: dict[str, dict[tuple[str, str, str], Object]] = {}
        self._owners: dict[str, _Owner] = {}
        self.facts: dict[str, ImageFacts] = {}

    def add(self, batch: str, found: Iterable[Object]) -> None:
        """Add the objects of a batch."""
        of_batch = self._objects[batch] = {}
        for one in sorted(found, key=lambda row: row.id):
            of_batch[one.bucket, one.key, one.etag] = one
            if not self._excluded(one):
                identity = releases.identity_of(one)
                if identity not in self._owners:
                    self._owners[identity] = _Owner(batch, one.id, one.key)
                    self.facts[identity] = ImageFacts(batch, one.registered_via, one.registered_at.isoformat())

    def place(self, batch: str, image: Mapping[str, Any]) -> Placement:
        """Return what the release does with an image in the export of a batch."""
        bucket, _, key = str(image.get("coco_url", "")).removeprefix("s3://").partition("/")
        one = self._objects[batch].get((bucket, key, str(image.get("etag"))))
        if one is None:
            return Placement(image["file_name"], left_out="not an object of its batch in the ledger")
        identity = releases.identity_of(one)
        if reason := self._excluded(one):
            return Placement(identity, left_out=reason)
        owner = self._owners[identity]
        if owner.object_id != one.id:
            return Placement(identity, left_out="the same content as another image")
        known = {"sha256": one.sha256, "size": one.size}
        return Placement(identity, fields={name: value for name, value in known.items() if value is not None})

    def _excluded(self, one: Object) -> str | None:
        if one.quarantine_reason is not None:
            return "quarantined"
        if one.deleted_at is not None and self._spec.deletions is Deletions.DROP:
            return "deleted from the bucket"
        return None


# --- exports ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files that a release merges, and where everything in them comes from."""

    sources: list[SourceFile]
    passport: Passport


def fetch_inputs(
    context: Context, spec: DatasetSpec, release: Release, folder: Path, before_each: Callable[[], None]
) -> Inputs:
    """Write the exports that a release merges into a folder. `before_each` is called before each.

    Raises InputError for a file that is missing, or not the one that the ledger has.
    """
    images, names = Images(spec), {}
    with context.ledger.read_only() as tx:
        exports = releases.inputs(tx, release)
        cvats = {export.batch_id: batches.get(tx, export.batch_id).cvat or "" for export in exports}
        for export in exports:
            images.add(export.batch_id, releases.objects_of(tx, export.batch_id))
            if spec.release.people is People.NAMES:
                names[export.batch_id] = {row.server_id: row.assignee for row in jobs.of_batch(tx, export.batch_id)}
    sources, facts = [], []
    for export in exports:
        before_each()
        path = folder / f"{export.batch_id}.json"
        fetch_file(context.store, export.bucket, export.key, path, export.sha256)
        for key, sha256 in export.other_files.items():
            fetch_file(context.store, export.bucket, key, folder / f"{export.batch_id}.extra.json", sha256)
        sources.append(SourceFile(path, partial(images.place, export.batch_id)))
        facts.append(_batch_facts(path, export, cvats[export.batch_id], names.get(export.batch_id)))
    return Inputs(sources, Passport(facts, images.facts))


def _batch_facts(path: Path, export: Export, cvat: str, names: Mapping[int, str | None] | None) -> BatchFacts:
    """Return what an export says of its task. With `names` people are named, by the id of their job."""
    try:
        info = msgspec.json.decode(read_parts(path).rest["info"], type=_Info)
    except (ValueError, KeyError) as error:
        what = f"not the dataset file of a batch: {error}"
        raise InputError(what, where=s3_url(export.bucket, export.key), next_step="labelyard repair") from error
    if info.batch != export.batch_id:
        what = f"it is the export of batch {info.batch}, not of {export.batch_id}"
        raise InputError(what, where=s3_url(export.bucket, export.key), next_step="labelyard repair")
    return BatchFacts(
        export.batch_id, info.dataset_version, cvat, info.task_id, export.task_updated, export.generation,
        s3_url(export.bucket, export.key), export.sha256, info.annotations_from,
        [JobFacts(one.id, one.frames, names.get(one.id) if names else one.assignee, one.updated) for one in info.jobs],
    )  # fmt: skip


class _JobInfo(msgspec.Struct):
    id: int
    frames: tuple[int, int]
    assignee: int | None = None
    updated: str | None = None


class _Info(msgspec.Struct):
    """The fields of `info` in the dataset file of a batch that a release needs (`formats.coco.write.info`)."""

    batch: str
    dataset_version: int
    task_id: int
    annotations_from: str
    jobs: list[_JobInfo]
