"""Verifying a release by its folder alone: the hashes, the links, the counts and the account."""

from __future__ import annotations

import os
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from labelyard.domain.progress import OnProgress, unseen
from labelyard.errors import InputError
from labelyard.releases import account
from labelyard.releases.difference import ReleasedItem
from labelyard.releases.faults import FaultKind, ReleaseFault
from labelyard.releases.format_verification import format_faults
from labelyard.releases.ids import IdArray, among, duplicates
from labelyard.releases.layout import with_folders
from labelyard.releases.lines import digest_of, fields, items
from labelyard.releases.manifest import (
    IMAGES,
    IMAGES_FOLDER,
    MANIFEST,
    SIGNATURE,
    SUMS,
    UNLISTED,
    Manifest,
    instances_path,
    read_manifest,
    references,
)
from labelyard.releases.signature import is_signed, signature_fault

_MOST_FAULTS = 1000
_SUM = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(frozen=True, slots=True)
class Verified:
    """What was verified: the manifest, and all faults."""

    manifest: Manifest
    faults: tuple[ReleaseFault, ...]


def verify(folder: Path, trusted: Ed25519PublicKey | None = None, on_progress: OnProgress = unseen) -> Verified:
    """Return the faults of a release, which `trusted` must have signed if it is given.

    Without it a signature, if there is one, must be that of the key beside it. `on_progress` counts the files whose
    hashes are compared, and then the splits that are read. Raises InputError if the folder has no
    manifest that can be read.
    """
    manifest = read_manifest(folder)
    faults = [*file_faults(folder, manifest, on_progress), *_signature_faults(folder, trusted)]
    if not faults:
        try:
            faults = list(_content_faults(folder, manifest, on_progress))
        except InputError as error:
            faults = [ReleaseFault(FaultKind.CONTENT, _relative(error.where, folder), error.what)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            faults = [ReleaseFault(FaultKind.CONTENT, MANIFEST, f"files that no release has: {error!r}")]
    return Verified(manifest, tuple(faults[:_MOST_FAULTS]))


def _relative(where: str, folder: Path) -> str:
    return where.removeprefix(f"{folder}/")


# --- files ------------------------------------------------------------------------------------------------------------


def file_faults(folder: Path, manifest: Manifest, on_progress: OnProgress = unseen) -> Iterator[ReleaseFault]:
    """Yield each file that was changed, added or removed; of the manifest and SHA256SUMS, too."""
    yield from _changed_files(folder, manifest, on_progress)
    yield from _changed_sums(folder, manifest)


def _changed_files(folder: Path, manifest: Manifest, on_progress: OnProgress) -> Iterator[ReleaseFault]:
    """Yield every file that is not as the manifest says, and every other file but images and a signature."""
    listed = {entry.path: entry for entry in manifest.files}
    for number, (path, entry) in enumerate(listed.items()):
        on_progress("hashes of files", number, len(listed))
        file = folder / path
        if file.is_symlink() or not file.is_file():
            yield ReleaseFault(FaultKind.REMOVED, path, "the file is missing" if not file.is_symlink() else "a link")
            continue
        try:
            found = digest_of(file)
        except OSError as error:
            yield ReleaseFault(FaultKind.UNREADABLE, path, f"it cannot be read: {error.strerror}")
            continue
        if found.size != entry.size:
            yield ReleaseFault(FaultKind.CHANGED, path, f"it has {found.size} bytes instead of {entry.size}")
        elif found.sha256 != entry.sha256:
            yield ReleaseFault(FaultKind.CHANGED, path, "its SHA-256 is not that of the manifest")
    # These are compared with what lists them. The folder of the images may be a link to one on another disk.
    elsewhere = with_folders(manifest) | ({IMAGES_FOLDER} if (folder / IMAGES_FOLDER).is_dir() else set())
    for path in _files(folder):
        if path not in listed and path not in UNLISTED and path.split("/")[0] not in elsewhere:
            yield ReleaseFault(FaultKind.ADDED, path, "the manifest does not list the file")
    missing = {IMAGES, *(instances_path(split) for split in manifest.counts)} - listed.keys()
    for path in sorted(missing):
        yield ReleaseFault(FaultKind.REMOVED, path, "the manifest does not list it, and every release has it")


def _files(folder: Path) -> Iterator[str]:
    """Yield the path of every file and link in a folder, sorted."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in sorted([*names, *links]):
            yield (Path(root) / name).relative_to(folder).as_posix()


def _changed_sums(folder: Path, manifest: Manifest) -> Iterator[ReleaseFault]:
    """Yield what SHA256SUMS says otherwise than the manifest. It alone has the hash of the manifest."""
    if (folder / SUMS).exists() and not (folder / SUMS).is_file():
        yield ReleaseFault(FaultKind.CHANGED, SUMS, "it is no file")
        return
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        yield ReleaseFault(FaultKind.REMOVED, SUMS, "the file is missing")
        return
    except (OSError, ValueError) as error:
        yield ReleaseFault(FaultKind.UNREADABLE, SUMS, f"it cannot be read: {error}")
        return
    sums = {found[2]: found[1] for line in lines if (found := _SUM.fullmatch(line))}
    expected = {entry.path: entry.sha256 for entry in manifest.files}
    if sums.pop(MANIFEST, None) != digest_of(folder / MANIFEST).sha256:
        yield ReleaseFault(FaultKind.CHANGED, MANIFEST, f"its SHA-256 is not that of {SUMS}")
    elif sums != expected or len(lines) != 1 + len(expected):
        yield ReleaseFault(FaultKind.CHANGED, SUMS, "it does not list what the manifest lists")


def _signature_faults(folder: Path, trusted: Ed25519PublicKey | None) -> Iterator[ReleaseFault]:
    if not is_signed(folder):
        if trusted:
            yield ReleaseFault(FaultKind.REMOVED, SIGNATURE, "the release is not signed")
    elif message := signature_fault(folder, trusted):
        yield ReleaseFault(FaultKind.CHANGED, SIGNATURE, message)


# --- content ----------------------------------------------------------------------------------------------------------


class _Image(msgspec.Struct):
    id: int
    file_name: str


def _content_faults(folder: Path, manifest: Manifest, on_progress: OnProgress) -> Iterator[ReleaseFault]:
    """Yield what is wrong in files whose hashes are right: a release that was made wrongly."""
    known = {one.id: (one.file_name, one.split) for one in references(folder)}
    for name, count in Counter(name for name, _ in known.values()).items():
        if count > 1:
            yield ReleaseFault(FaultKind.CONTENT, IMAGES, f"{count} images have the file name {name}")
    listed = {entry.path for entry in manifest.files}
    all_ids, image_count = [], 0
    for split_number, split in enumerate(manifest.counts):
        on_progress("content of splits", split_number, len(manifest.counts))
        contents = _Contents()
        for extra in (False, True):
            path = instances_path(split, extra=extra)
            if path in listed:
                yield from contents.read(folder, path, manifest, extra=extra)
        for number, name in contents.names.items():
            if known.get(number) != (name, split):
                message = f"image {number}, {name}, is not in this split by {IMAGES}"
                yield ReleaseFault(FaultKind.CONTENT, instances_path(split), message)
        yield from _count_faults(split, contents, manifest)
        all_ids.append(np.frombuffer(contents.ids, np.int64) if contents.ids else np.zeros(0, np.int64))
        image_count += len(contents.names)
    if image_count != len(known):
        yield ReleaseFault(FaultKind.CONTENT, IMAGES, f"it has {len(known)} images, the COCO files have {image_count}")
    yield from _id_faults(np.concatenate(all_ids) if all_ids else np.zeros(0, np.int64))
    yield from _balance_faults(manifest, sum(map(len, all_ids)))
    yield from _image_file_faults(folder, manifest)
    yield from format_faults(folder, manifest, known)


class _Contents:
    """What the COCO files of a split have."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.ids = array("q")
        self.items: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()

    def read(self, folder: Path, path: str, manifest: Manifest, *, extra: bool) -> Iterator[ReleaseFault]:
        """Read a file; yield its broken links."""
        labels = {one["id"]: one["name"] for one in fields(folder / path)["categories"]}
        for number, name in labels.items():
            if manifest.categories.get(name) != number:
                yield ReleaseFault(FaultKind.CONTENT, path, f"the category {name!r} has another id in the manifest")
        decode, decode_image = msgspec.json.Decoder(ReleasedItem).decode, msgspec.json.Decoder(_Image).decode
        by_label: Counter[int] = Counter()
        images = array("q")
        for part, item in items(folder / path):
            if part == "images":
                if not extra:
                    image = decode_image(item)
                    if image.id in self.names:
                        yield ReleaseFault(FaultKind.CONTENT, path, f"two images have the id {image.id}")
                    self.names[image.id] = image.file_name
                continue
            found = decode(item)
            self.ids.append(found.id)
            images.append(found.image_id)
            self.items[part] += 1
            by_label[found.category_id] += 1
        for number, count in by_label.items():
            if number in labels:
                self.labels[labels[number]] += count
            else:
                yield ReleaseFault(FaultKind.CONTENT, path, f"{count} annotations have the unknown category {number}")
        yield from self._unknown_images(path, images)

    def _unknown_images(self, path: str, images: array[int]) -> Iterator[ReleaseFault]:
        wanted = np.unique(np.frombuffer(images, np.int64)) if images else np.zeros(0, np.int64)
        known = np.fromiter(self.names, np.int64, len(self.names))
        for number in wanted[~among(wanted, known)]:
            yield ReleaseFault(FaultKind.CONTENT, path, f"annotations are for image {number}, which it does not have")


def _count_faults(split: str, contents: _Contents, manifest: Manifest) -> Iterator[ReleaseFault]:
    counts = manifest.counts[split]
    found: tuple[tuple[str, Any, Any], ...] = (
        ("images", len(contents.names), counts.images),
        ("items", +contents.items, +Counter(counts.items)),
        ("items by label", +contents.labels, +Counter(counts.labels)),
    )
    for what, here, there in found:
        if here != there:
            message = f"its {what} are {_shown(here)}, by the manifest {_shown(there)}"
            yield ReleaseFault(FaultKind.CONTENT, instances_path(split), message)


def _shown(counts: object) -> str:
    return str(dict(sorted(counts.items())) if isinstance(counts, Counter) else counts)


def _id_faults(ids: IdArray) -> Iterator[ReleaseFault]:
    for number in duplicates(ids):
        yield ReleaseFault(FaultKind.CONTENT, "annotations", f"two annotations have the id {number}")


def _balance_faults(manifest: Manifest, written: int) -> Iterator[ReleaseFault]:
    if not manifest.annotations.balances or manifest.annotations.written != written:
        message = f"read, written, duplicate and left out annotations do not add up; the files have {written}"
        yield ReleaseFault(FaultKind.CONTENT, MANIFEST, message)
    if manifest.account is not None and not account.balances(manifest.account):
        yield ReleaseFault(FaultKind.CONTENT, MANIFEST, "the account does not balance: drawn = in the file + left out")


def _image_file_faults(folder: Path, manifest: Manifest) -> Iterator[ReleaseFault]:
    """Yield what is wrong with images beside the COCO files that the manifest does not list itself."""
    listed = {entry.path for entry in manifest.files}
    files = {f"{IMAGES_FOLDER}/{path}" for path in _files(folder / IMAGES_FOLDER)} - listed
    if not files:
        return
    for one in references(folder):
        path = f"{IMAGES_FOLDER}/" + one.file_name
        if path in files:
            files.remove(path)
            if not (folder / path).is_file():
                yield ReleaseFault(FaultKind.UNREADABLE, path, "it is no file")
                continue
            found = digest_of(folder / path)
            if one.sha256 not in (msgspec.UNSET, found.sha256) or one.size not in (msgspec.UNSET, found.size):
                yield ReleaseFault(FaultKind.CHANGED, path, f"it is not the image of {IMAGES}")
    for path in sorted(files):
        yield ReleaseFault(FaultKind.ADDED, path, "no image of the release has this name")
