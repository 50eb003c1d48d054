"""The images of which the report of a release shows pictures: few of them, read from the store while it is made."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET

from labelyard.errors import ObjectArchived, ObjectChanged, ObjectDeleted, ObjectRefused, StoreError
from labelyard.pipeline.release_files import download, image_object
from labelyard.releases.manifest import ImageReference
from labelyard.storage import Store

_THREADS = 8
_TOO_LARGE = "the file is too large for the report"
_TOO_LATE = "the store did not send the file in time"
_REASONS: dict[type[StoreError], str] = {
    ObjectDeleted: "the object was deleted",
    ObjectChanged: "the object has another content now",
    ObjectArchived: "the object is archived",
    ObjectRefused: "the store refuses to let the object be read",
}
"""In words of our own: those of a store may name accounts, and differ from time to time."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What a report may cost: images, bytes of one image and of all, seconds for all."""

    images: int = 72
    bytes_of_image: int = 50_000_000
    bytes: int = 300_000_000
    seconds: float = 60.0


def fetch_pictures(
    store: Store, wanted: Sequence[ImageReference], folder: Path, limits: PictureLimits
) -> dict[int, Path | str]:
    """Write images of a release into a folder; return their files by their ids, or why there is none.

    The first ones count if not all are within the limits. Raises no error: a release needs no picture.
    """
    until = time.monotonic() + limits.seconds
    folder.mkdir()
    found: dict[int, Path | str] = dict.fromkeys((one.id for one in wanted), _TOO_LARGE)
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures")
    try:
        running = {pool.submit(_fetch, store, one, folder, until): one.id for one in _within(wanted, limits)}
        found |= dict.fromkeys(running.values(), _TOO_LATE)
        done, _ = wait(running, timeout=limits.seconds)
        found |= {running[future]: future.result() for future in done}
    finally:
        # A request that hangs ends by its own timeout; nobody waits for it here, or looks at its file.
        pool.shutdown(wait=False, cancel_futures=True)
    return found


def _within(wanted: Sequence[ImageReference], limits: PictureLimits) -> Iterator[ImageReference]:
    """Yield the images that are within the limits; those of unknown size count as the largest."""
    total = 0
    for one in wanted[: limits.images]:
        size = limits.bytes_of_image if one.size is UNSET else one.size
        if size <= limits.bytes_of_image and total + size <= limits.bytes:
            total += size
            yield one


def _fetch(store: Store, one: ImageReference, folder: Path, until: float) -> Path | str:
    """Return the file of an image, named by its id, or why there is none."""
    path = folder / str(one.id)
    reason = _write(store, one, path, until)
    if reason:
        with suppress(OSError):
            path.unlink()
    return reason or path


def _write(store: Store, one: ImageReference, path: Path, until: float) -> str:
    """Write an image to a file. Return what went wrong, empty if nothing did."""
    obj = image_object(one)
    if obj is None:
        return "the release does not say where the file is"
    try:
        content = download(store, obj, path, until=until)
    except StoreError as error:
        return _REASONS.get(type(error), "the store did not send the file")
    except TimeoutError:
        return _TOO_LATE
    except OSError as error:
        return f"the file cannot be written: {error.strerror}"
    return "" if one.sha256 in (UNSET, content.sha256) else "the file is not that of the release"
