"""Fetching a release from the bucket into a folder that training opens as it is."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from msgspec import UNSET

from labelyard.domain.objects import StoredObject, parse_address, s3_url
from labelyard.errors import STORE_UNAVAILABLE, InputError, StoreError
from labelyard.pipeline.release_files import LATEST, download, fetch_release, image_object, read_pointer
from labelyard.releases.layout import lay_out, splits_of
from labelyard.releases.lines import digest_of
from labelyard.releases.manifest import (
    COCO,
    IMAGES_FOLDER,
    MANIFEST,
    ImageReference,
    is_safe,
    read_manifest,
    references,
)
from labelyard.storage import Store

_THREADS = 16
_OF_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Errors that every other file would meet, too."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched: the number of images, of those that were there already, and why others are not."""

    folder: Path
    images: int
    kept: int
    bytes: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseAddress:
    """Where a release is: its bucket and the prefix of its keys; the SHA-256 of its manifest, if it is known."""

    bucket: str
    prefix: str
    manifest_sha256: str | None = None

    @property
    def url(self) -> str:
        """The s3:// address of its folder."""
        return s3_url(self.bucket, self.prefix)


def find_release(store: Store, url: str) -> ReleaseAddress:
    """Return the release at an s3:// address: that of a release, or of a dataset's releases, which means the newest.

    Raises InputError if there is none.
    """
    found = parse_address(url)
    if found is None:
        raise InputError("not an s3:// address", where=url, next_step="write s3://BUCKET/releases/NAME/")
    bucket, prefix = found[0], found[1].removesuffix(MANIFEST).removesuffix(LATEST).rstrip("/") + "/"
    if store.exists(bucket, prefix + MANIFEST):
        return ReleaseAddress(bucket, prefix)
    pointer = read_pointer(store, bucket, prefix)
    if pointer is None:
        what = f"there is no release: neither {MANIFEST} nor a pointer to the newest one"
        raise InputError(what, where=url, next_step="labelyard release DATASET")
    return ReleaseAddress(bucket, pointer.prefix, pointer.manifest_sha256)


def fetch(
    store: Store,
    release: ReleaseAddress,
    to: Path,
    splits: Collection[str],
    on_progress: Callable[[int, int], object],
    formats: Collection[str] = (),
) -> Fetched:
    """Write a release into a folder: its files, and the images of some splits, or of all if none is named.

    What is there already and right is kept, so that a call continues one that was interrupted. `on_progress` gets the
    number of images that are done and that of all. An image that cannot be fetched is named in `faults`; the others are
    fetched. Each of the `formats` is laid out in a folder of its own; the COCO files need none. Raises InputError for
    an unknown split or format, a folder with another release, or files that are not as the manifest says; StoreError
    if the store does not answer.
    """
    _require_same_release(release, store, to)
    manifest = fetch_release(store, release.bucket, release.prefix, to, release.manifest_sha256)
    _require_known("split", splits, manifest.counts)
    _require_known("format", formats, (COCO, *manifest.formats))
    wanted = [one for one in references(to) if not splits or one.split in splits]
    kept = size = 0
    faults = []
    for done, (one, outcome) in enumerate(_each(store, wanted, to / IMAGES_FOLDER), 1):
        if isinstance(outcome, str):
            faults.append(f"{one.file_name}: {outcome}")
        else:
            kept, size = kept + (outcome == 0), size + outcome
        on_progress(done, len(wanted))
    for name in formats:
        if splits_of(manifest, name):
            lay_out(to, manifest, name, splits)
    return Fetched(to, len(wanted) - len(faults), kept, size, tuple(faults))


def _require_known(what: str, asked: Collection[str], known: Collection[str]) -> None:
    if unknown := sorted(set(asked).difference(known)):
        raise InputError(
            f"the release has no {what} {unknown[0]!r}", where=f"--{what}", next_step=f"write one of {', '.join(known)}"
        )


def _require_same_release(release: ReleaseAddress, store: Store, to: Path) -> None:
    if not (to / MANIFEST).exists():
        return
    there = digest_of(to / MANIFEST).sha256
    read_manifest(to)
    wanted = release.manifest_sha256 or _sha256(store, release)
    if there != wanted:
        raise InputError(
            f"the folder has another release than {release.url}", where=str(to), next_step="name another folder"
        )


def _sha256(store: Store, release: ReleaseAddress) -> str:
    manifest = StoredObject(release.bucket, release.prefix + MANIFEST, "")
    return hashlib.sha256(b"".join(store.read(manifest))).hexdigest()


def _each(store: Store, wanted: Collection[ImageReference], folder: Path) -> Iterator[tuple[ImageReference, int | str]]:
    """Yield each image with the bytes that were fetched, 0 if it was there; or with the reason why it is not."""
    rest = iter(wanted)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="fetch") as pool:
        running: dict[Future[int | str], ImageReference] = {}
        try:
            while True:
                for one in islice(rest, 2 * _THREADS - len(running)):
                    running[pool.submit(_fetch_image, store, one, folder)] = one
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _fetch_image(store: Store, one: ImageReference, folder: Path) -> int | str:
    """Return the bytes that were fetched, 0 if the image is there; or the reason why it is not."""
    obj = image_object(one)
    if obj is None or not is_safe(one.file_name):
        return "the release does not say where it is" if obj is None else "its name cannot be a path in a folder"
    path = folder / one.file_name
    if path.is_file() and _is_right(path, one):
        return 0
    part = path.with_name(f".{one.id}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = download(store, obj, part)
        if one.sha256 not in (UNSET, content.sha256):
            return "its content is not that of the release"
        part.replace(path)
    except STORE_UNAVAILABLE:
        raise
    except StoreError as error:
        return error.what
    except OSError as error:
        if error.errno in _OF_DISK:
            raise InputError(f"it cannot be written: {error.strerror}", where=str(path)) from error
        return f"it cannot be written: {error.strerror}"
    finally:
        with suppress(OSError):
            part.unlink()
    return content.size


def _is_right(path: Path, one: ImageReference) -> bool:
    """Return whether a file has the content of an image; by its size alone if the release does not know more."""
    if one.sha256 is UNSET:
        return one.size is not UNSET and path.stat().st_size == one.size
    return digest_of(path).sha256 == one.sha256
