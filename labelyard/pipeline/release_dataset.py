"""release_dataset: merge the current exports of a dataset into a release in the bucket.

    acquire ──▶ fetch the exports and the previous release ──▶ merge ──▶ upload ──▶ point ──▶ record

What a release merges is fixed when it begins, so that a run continues the release of one that died. `latest.json` names
the newest release; it is written when all files of that are in the bucket: a reader never sees half a release.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from labelyard.config import DatasetSpec, People, ReleasedImages
from labelyard.context import Context
from labelyard.domain.objects import s3_url
from labelyard.domain.progress import OnProgress, unseen
from labelyard.domain.released import Released
from labelyard.errors import InputError, LeaseLost, LedgerError, NothingExported
from labelyard.failpoints import failpoint
from labelyard.ledger import datasets, releases
from labelyard.ledger.release_tables import Release
from labelyard.pipeline.lease import extended_in_background, new_holder
from labelyard.pipeline.release_files import LATEST, Pointer, fetch_file, fetch_release, published_image, read_pointer
from labelyard.pipeline.release_images import ReleaseImages
from labelyard.pipeline.release_inputs import fetch_inputs
from labelyard.pipeline.release_pictures import PictureLimits, fetch_pictures
from labelyard.releases.documents import ReleaseDocuments
from labelyard.releases.facts import ReleaseFacts
from labelyard.releases.lines import digest_of
from labelyard.releases.manifest import (
    IMAGES,
    IMAGES_FOLDER,
    MANIFEST,
    PASSPORT,
    REPORT,
    UNLISTED,
    ImageReference,
    Manifest,
    read_manifest,
    references,
)
from labelyard.releases.merging import Merged, MergeOptions, merge
from labelyard.releases.quality import main_quality
from labelyard.releases.signature import sign

_log = logging.getLogger(__name__)

_CONTENT_FILES = frozenset({IMAGES, PASSPORT})
"""Files of a release that have the ids of all that is in it, and do not name its number."""

_MEDIA_TYPES = {".json": "application/json", ".jsonl": "application/jsonl", ".md": "text/markdown",
                ".html": "text/html", ".tar": "application/x-tar", ".yaml": "application/yaml"}  # fmt: skip


def release_dataset(
    context: Context, dataset: str, *, dry_run: bool = False, on_progress: OnProgress = unseen
) -> Released:
    """Merge the current exports of a dataset into a release; with `dry_run` nothing is written.

    If nothing has changed since the newest release, there is no other one. Raises NotFound for an unknown dataset,
    LeaseTaken while another run releases it, NothingExported, InputError if a file cannot be used, StoreError if
    the bucket refuses. The newest release stays as it is then, and the next call continues.
    """
    with (
        context.spool_folder("release") as folder,
        (_planned if dry_run else _acquired)(context, dataset, folder) as building,
    ):
        building.on_progress = on_progress
        merged = building.merge()
        failpoint("release_dataset.merged")
        if previous := building.unchanged(merged.manifest):
            return previous
        if not dry_run:
            building.upload()
            failpoint("release_dataset.uploaded")
            building.point()
            failpoint("release_dataset.pointed")
            building.record(merged.manifest)
            failpoint("release_dataset.recorded")
        released = building.released(merged)
    _log.info("%s: %s", dataset, released)
    return released


@contextmanager
def _planned(context: Context, dataset: str, folder: Path) -> Iterator[_Building]:
    """Yield the release that is next, without the right to write it."""
    with context.ledger.read_only() as tx:
        spec = datasets.spec(tx, dataset)
        release = releases.planned(tx, dataset, spec.release_bucket, spec.release.prefix)
        _require_exports(release)
        building = _Building(context, datasets.spec(tx, dataset, release.version), release, folder)
    yield building


@contextmanager
def _acquired(context: Context, dataset: str, folder: Path) -> Iterator[_Building]:
    """Yield the release that is next, with the exclusive right to write it."""
    holder = new_holder()
    length = timedelta(seconds=context.settings.lease_seconds)
    with context.ledger.transaction() as tx:
        spec = datasets.spec(tx, dataset)
        release = releases.acquire(tx, dataset, spec.release_bucket, spec.release.prefix, holder, length)
        _require_exports(release)
        # A release that a dead run has left follows the dataset file with which it was begun.
        building = _Building(context, datasets.spec(tx, dataset, release.version), release, folder, holder)
    failpoint("release_dataset.acquired")
    try:
        with extended_in_background(f"release of {dataset}", building.check, context.settings.lease_seconds):
            yield building
    except LeaseLost:
        raise
    except BaseException:
        building.give_up()
        raise


def _require_exports(release: Release) -> None:
    if not release.exports:
        raise NothingExported(
            "no batch is exported in the format coco, or all were reopened", where=release.dataset,
            next_step="labelyard status",
        )  # fmt: skip


class _Building:
    """A release while it is built, in a folder on disk. Without a holder it is only planned."""

    def __init__(self, context: Context, spec: DatasetSpec, release: Release, folder: Path, holder: str = "") -> None:
        self._context, self._spec, self._release, self._holder = context, spec, release, holder
        self._spool, self._folder = folder, folder / "release"
        self._previous: Manifest | None = None
        self._pointed: Pointer | None = None
        self._wrote = False
        self.on_progress: OnProgress = unseen

    # --- the right to build it ---

    def check(self) -> None:
        """Extend the lease. Raises LeaseLost. Called before each write to the bucket."""
        if self._holder:
            length = timedelta(seconds=self._context.settings.lease_seconds)
            with self._context.ledger.transaction() as tx:
                releases.extend(tx, self._release.id, self._holder, length)

    def give_up(self) -> None:
        """Let another run continue at once; or plan again, if nothing is in the bucket yet."""
        give_up = releases.give_up if self._wrote else releases.discard
        try:
            with self._context.ledger.transaction() as tx:
                give_up(tx, self._release.id, self._holder)
        except LedgerError as error:
            _log.warning("%s: the lease could not be given up and will expire: %s", self._release.dataset, error)

    # --- the steps ---

    def merge(self) -> Merged:
        """Fetch what is needed, and write the release into its folder on disk."""
        before = self._fetch_previous()
        images = ReleaseImages(self._spec, self._context.store)
        inputs = fetch_inputs(
            self._context, images, self._release, self._spool,
            names=self._spec.release.people is People.NAMES, before_each=self._before_export,
        )  # fmt: skip
        if self._spec.release.images is ReleasedImages.COPY:
            folder = f"{self._releases_folder}{IMAGES_FOLDER}/"
            images.copy(self._release.bucket, folder, only_planned=not self._holder)
        facts = ReleaseFacts(
            self._release.dataset, self._release.number, self._spec.description, self._spec.release.licence,
            self._spec.release.contact, s3_url(self._release.bucket, self._release.prefix),
            max(batch.task_updated for batch in inputs.passport.batches),
        )  # fmt: skip
        documents = ReleaseDocuments(
            facts, inputs.passport, inputs.quality, self._wants_report,
            self._fetch_pictures if self._holder and self._spec.release.report_pictures else None,
        )  # fmt: skip
        with self._context.ledger.read_only() as tx:
            splits = releases.splits(tx, self._release.dataset)
        rule = self._spec.release.splits.rule()
        formats = self._spec.export.formats
        options = MergeOptions(
            rule,
            before,
            splits,
            facts.info(),
            documents.write,
            formats=formats,
            previous_verified=True,
            on_progress=self.on_progress,
        )
        merged = merge(inputs.sources, self._folder, options)
        self._require_own_number(merged.manifest)
        if key := self._context.settings.release_key:
            sign(self._folder, key)
        return merged

    def _before_export(self, done: int, total: int) -> None:
        self.check()
        self.on_progress("fetching exports", done, total)

    def _wants_report(self, folder: Path, manifest: Manifest) -> bool:
        """Return whether the release in the folder gets a report: not if it is going to be forgotten as unchanged."""
        if not self._spec.release.report or self._previous is None:
            return self._spec.release.report
        written = {path: digest_of(folder / path).sha256 for path in _CONTENT_FILES}
        written |= dict.fromkeys(manifest.formats, "")
        return _content(self._previous) != written

    def _fetch_pictures(self, _release: Path, wanted: Sequence[ImageReference]) -> Mapping[int, Path | str]:
        return fetch_pictures(self._context.store, wanted, self._spool / "pictures", PictureLimits())

    def _fetch_previous(self) -> Path | None:
        """Return a folder with the files of the previous release, without its images."""
        if self._release.previous is None:
            return None
        with self._context.ledger.read_only() as tx:
            row = releases.get(tx, self._release.dataset, self._release.previous)
        folder = self._spool / "previous"
        self._previous = fetch_release(self._context.store, row.bucket, row.prefix, folder, row.manifest_sha256)
        return folder

    def unchanged(self, manifest: Manifest) -> Released | None:
        """Return the previous release if this one would have the same content; then forget this one."""
        if self._previous is None or _content(manifest) != _content(self._previous):
            return None
        if self._holder:
            with self._context.ledger.transaction() as tx:
                releases.discard(tx, self._release.id, self._holder)
        with self._context.ledger.read_only() as tx:
            row = releases.get(tx, self._release.dataset, self._release.previous or 0)
        return self._released(row, self._previous, {}, is_new=False)

    def upload(self) -> None:
        """Write every file of the release into the bucket, those that say what it has last.

        A release to which the pointer points already has them: nothing of it is overwritten.
        """
        if self._pointed:
            return
        paths = [file.relative_to(self._folder).as_posix() for file in self._folder.rglob("*") if file.is_file()]
        for done, path in enumerate(sorted(paths, key=lambda path: (path in UNLISTED, path))):
            self.check()
            self.on_progress("uploading files", done, len(paths))
            media_type = _MEDIA_TYPES.get(Path(path).suffix, "text/plain")
            key = self._release.prefix + path
            self._context.store.write(self._release.bucket, key, self._folder / path, media_type)
            self._wrote = True
            failpoint("release_dataset.uploading")

    def point(self) -> None:
        """Let `latest.json` name the release."""
        if self._pointed:
            return
        self.check()
        pointer = Pointer(self._release.dataset, self._release.number, self._release.prefix, self._manifest_sha256)
        content = msgspec.json.format(msgspec.json.encode(pointer)) + b"\n"
        self._context.store.write(self._release.bucket, self._releases_folder + LATEST, content, "application/json")

    def record(self, manifest: Manifest) -> None:
        """Record the release and its images in the ledger."""
        images = map(published_image, references(self._folder))
        with self._context.ledger.transaction() as tx:
            releases.extend(tx, self._release.id, self._holder, timedelta(0))
            sha256 = self._pointed.manifest_sha256 if self._pointed else self._manifest_sha256
            releases.publish(tx, self._release.id, sha256, manifest.items, images)

    def released(self, merged: Merged) -> Released:
        """Return the release."""
        changes = merged.changes.document() if self._previous else {}
        return self._released(self._release, merged.manifest, changes, is_new=True)

    def _released(self, row: Release, manifest: Manifest, changes: Mapping[str, Any], *, is_new: bool) -> Released:
        warnings = [*manifest.warnings]
        warnings += [f"{name}: {warning}" for name, entry in manifest.formats.items() for warning in entry.warnings]
        if self._spec.release.report and REPORT not in {entry.path for entry in manifest.files}:
            warnings.append(f"it has no {REPORT}: pip install 'labelyard[report]' where releases are made")
        return Released(
            row.dataset, row.number, s3_url(row.bucket, row.prefix),
            manifest.images, manifest.items,
            {split: counts.images for split, counts in manifest.counts.items()}, dict(manifest.labels), changes,
            manifest.images_left_out, tuple(warnings), is_new,
            main_quality(self._folder if is_new else self._spool / "previous"),
        )  # fmt: skip

    @cached_property
    def _manifest_sha256(self) -> str:
        return digest_of(self._folder / MANIFEST).sha256

    @property
    def _releases_folder(self) -> str:
        return self._release.prefix.removesuffix(f"{self._release.number}/")

    def _require_own_number(self, manifest: Manifest) -> None:
        """Raise InputError if the bucket has a release of this number, or a later one, that the ledger does not know.

        The same content is our own: the run that wrote it died before the ledger said so. It stays as it is, even if
        its documents would differ now: pictures of images that were there then, another version of labelyard.
        """
        found = read_pointer(self._context.store, self._release.bucket, self._releases_folder)
        if found is None or found.release < self._release.number:
            return
        if found.release == self._release.number and self._is_own(found, manifest):
            self._pointed = found
        else:
            raise InputError(
                f"the bucket has a release {found.release} that the ledger does not know (its last one: "
                f"{self._release.previous or 'none'}), and nothing of a release is overwritten",
                where=s3_url(self._release.bucket, self._releases_folder + LATEST),
                next_step="labelyard rebuild, if the ledger was restored or rebuilt: it reads releases back. If "
                "another installation wrote them: another release.prefix in the dataset file, then labelyard apply",
            )

    def _is_own(self, pointer: Pointer, manifest: Manifest) -> bool:
        """Return whether the release to which a pointer points has our content."""
        folder = self._spool / "pointed"
        key = pointer.prefix + MANIFEST
        fetch_file(self._context.store, self._release.bucket, key, folder / MANIFEST, pointer.manifest_sha256)
        found = read_manifest(folder)
        return found.previous == manifest.previous and _content(found) == _content(manifest)


def _content(manifest: Manifest) -> dict[str, str]:
    """Return the hashes of the files that do not depend on the number of the release, and the names of its formats."""
    hashes = {entry.path: entry.sha256 for entry in manifest.files if entry.path in _CONTENT_FILES}
    return hashes | dict.fromkeys(manifest.formats, "")
