"""Verifying the other formats of a release: their accounts and lists, and their folders where they were laid out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from labelyard.formats.splits import archive_name, archived_files
from labelyard.releases import account
from labelyard.releases.faults import FaultKind, ReleaseFault
from labelyard.releases.layout import files_of, has_content, list_name, listed_images, splits_of
from labelyard.releases.lines import digest_of, items_of
from labelyard.releases.manifest import (
    COCO_KEYPOINTS,
    FORMATS_FOLDER,
    IMAGES_FOLDER,
    MANIFEST,
    FormatEntry,
    Manifest,
    is_safe,
    keypoints_path,
)


def format_faults(folder: Path, manifest: Manifest, images: Mapping[int, tuple[str, str]]) -> Iterator[ReleaseFault]:
    """Yield what is wrong with the formats of a release whose files have the right hashes.

    `images` has the file name and the split of each image by its id.
    """
    for name, entry in manifest.formats.items():
        if not account.balances(entry.account):
            message = f"the account of {name} does not balance: drawn = in the file + left out"
            yield ReleaseFault(FaultKind.CONTENT, MANIFEST, message)
        elif name == COCO_KEYPOINTS:
            yield from _keypoint_faults(folder, manifest, entry)
        yield from _list_faults(folder, manifest, name, images)
        yield from _folder_faults(folder, manifest, name)


def _keypoint_faults(folder: Path, manifest: Manifest, entry: FormatEntry) -> Iterator[ReleaseFault]:
    """Yield where the files of keypoints do not have every image, or as many annotations as the account has."""
    found = 0
    for split, counts in manifest.counts.items():
        path = folder / keypoints_path(split)
        if not counts.images:
            continue
        count = sum(1 for _ in items_of(path, "images")) if path.is_file() else 0
        if count != counts.images:
            message = f"it has {count} images, the split has {counts.images}"
            yield ReleaseFault(FaultKind.CONTENT, keypoints_path(split), message)
        elif path.is_file():
            found += sum(1 for _ in items_of(path, "annotations"))
    expected = sum(number for labels in entry.account["in_file"].values() for number in labels.values())
    if found != expected:
        message = f"the files of {COCO_KEYPOINTS} have {found} annotations, their account has {expected}"
        yield ReleaseFault(FaultKind.CONTENT, MANIFEST, message)


def _list_faults(
    folder: Path, manifest: Manifest, name: str, images: Mapping[int, tuple[str, str]]
) -> Iterator[ReleaseFault]:
    """Yield where the lists of a format do not have every image once, in its split."""
    for split in splits_of(manifest, name):
        where = f"{FORMATS_FOLDER}/{name}/{list_name(split)}"
        ids, paths = set(), set()
        for one in listed_images(folder, name, split):
            if images.get(one.id) != (one.file_name, split) or not is_safe(one.path):
                yield ReleaseFault(FaultKind.CONTENT, where, f"image {one.id}, {one.file_name}, is not in this split")
            ids.add(one.id)
            paths.add(one.path)
        if not len(ids) == len(paths) == manifest.counts[split].images:
            yield ReleaseFault(FaultKind.CONTENT, where, "it does not list every image of the split once")


def _folder_faults(folder: Path, manifest: Manifest, name: str) -> Iterator[ReleaseFault]:
    """Yield what is not as it was in the folder of a format, if there is one. Splits that were not laid out are not."""
    own = folder / name
    if not os.path.lexists(own):
        return
    if own.is_symlink() or not own.is_dir():
        yield ReleaseFault(FaultKind.CHANGED, name, "it is no folder")
        return
    splits = [split for split in splits_of(manifest, name) if _is_laid_out(folder, name, split)]
    expected = set()
    for path, content in files_of(folder, manifest, name, splits):
        expected.add(path)
        yield from _file_faults(own, path, content)
    for split in splits:
        for one in listed_images(folder, name, split):
            expected.add(one.path)
            yield from _image_faults(folder, name, one.file_name, one.path)
    for root, _, names in os.walk(own):
        for path in sorted((Path(root) / found).relative_to(own).as_posix() for found in names):
            if path not in expected:
                yield ReleaseFault(FaultKind.ADDED, f"{name}/{path}", "it is no file of the format")


def _is_laid_out(folder: Path, name: str, split: str) -> bool:
    archive = folder / FORMATS_FOLDER / name / archive_name(split)
    return any(os.path.lexists(folder / name / path) for path, _ in archived_files(archive))


def _file_faults(own: Path, path: str, content: IO[bytes]) -> Iterator[ReleaseFault]:
    file, where = own / path, f"{own.name}/{path}"
    if not os.path.lexists(file):
        yield ReleaseFault(FaultKind.REMOVED, where, "the file is missing")
    elif file.is_symlink() or not file.is_file():
        yield ReleaseFault(FaultKind.CHANGED, where, "it is no file")
    elif not has_content(file, content):
        yield ReleaseFault(FaultKind.CHANGED, where, f"it is not the file in {FORMATS_FOLDER}/{own.name}")


def _image_faults(folder: Path, name: str, file_name: str, path: str) -> Iterator[ReleaseFault]:
    """Yield whether the image that readers find is not that of the COCO files. One that is missing was not fetched."""
    image, linked, where = folder / IMAGES_FOLDER / file_name, folder / name / path, f"{name}/{path}"
    if not os.path.lexists(linked):
        if image.is_file():
            yield ReleaseFault(FaultKind.REMOVED, where, "the image is missing")
    elif not linked.is_file():
        yield ReleaseFault(FaultKind.CHANGED, where, "it is no file")
    elif not image.is_file():
        yield ReleaseFault(FaultKind.ADDED, where, f"{IMAGES_FOLDER}/{file_name} is missing")
    elif not linked.samefile(image) and digest_of(linked) != digest_of(image):
        yield ReleaseFault(FaultKind.CHANGED, where, f"it is not {IMAGES_FOLDER}/{file_name}")
