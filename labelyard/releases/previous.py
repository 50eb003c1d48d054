"""What a merge takes over from the previous release: ids, splits, and the rule of the splits."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from labelyard.errors import InputError
from labelyard.releases.ids import IdArray, Ids, repeated_key
from labelyard.releases.keys import annotation_key, encode, image_key
from labelyard.releases.lines import fields, items
from labelyard.releases.manifest import MANIFEST, Manifest, instances_path, read_manifest, references
from labelyard.releases.verification import file_faults

_MOST_REPETITIONS = 10_000


@dataclass(slots=True)
class Previous:
    """The previous release. `splits` numbers the splits; `image_ids`, sorted, have the numbers `image_splits`."""

    folder: Path
    manifest: Manifest
    sha256: str
    splits: list[str]
    image_ids: IdArray
    image_splits: npt.NDArray[np.int16]
    groups: Mapping[str, str] = field(default_factory=dict)

    def holders_of_images(self, contested: IdArray) -> dict[int, int]:
        """Return the key of each contested id of an image that the release has."""
        wanted = set(map(int, contested))
        return {
            one.id: image_key(one.file_name if one.identity is UNSET else one.identity)
            for one in references(self.folder)
            if one.id in wanted
        }

    def holders_of_annotations(self, contested: IdArray, ids: Ids) -> dict[int, int]:
        """Return the key of each contested id of an annotation that the release has; `ids` are its own."""
        wanted = set(map(int, contested))
        found: dict[int, int] = {}
        for split in self.manifest.counts:
            for extra in (False, True):
                path = self.folder / instances_path(split, extra=extra)
                found |= _holders(path, wanted, ids) if path.exists() else {}
        return found


def _holders(path: Path, wanted: set[int], ids: Ids) -> dict[int, int]:
    document = fields(path)
    names = {one["id"]: one for one in document["categories"]}
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    found: dict[int, int] = {}
    for part, item in items(path):
        if part == "images":
            continue
        own = decode(item)
        number = int(bytes(own.pop("id")))
        if number in wanted:
            image_id, category_id = int(bytes(own.pop("image_id"))), int(bytes(own.pop("category_id")))
            key = annotation_key(part, names[category_id], image_id, encode(own))
            found[number] = _key_with_id(number, key, ids)
    return found


def _key_with_id(number: int, key: int, ids: Ids) -> int:
    """Return the key of an annotation, or of its repetition, that has this id."""
    keys = (key, *(repeated_key(key, n) for n in range(1, _MOST_REPETITIONS)))
    return next((one for one in keys if ids.id_of(one) == number), key)


def read_previous(folder: Path, *, verified: bool = False) -> Previous:
    """Return what a release hands on; `verified` if its files were compared with their hashes just now.

    Raises InputError for a folder that is no release, or that was changed.
    """
    manifest = read_manifest(folder)
    fault = None if verified else next(file_faults(folder, manifest), None)
    if fault:
        raise InputError(
            f"the previous release is not as it was written: {fault}", where=str(folder),
            next_step=f"labelyard verify {folder}",
        )  # fmt: skip
    splits = sorted({*manifest.counts, *manifest.splits.fractions})
    numbers = {split: number for number, split in enumerate(splits)}
    ids, of_ids = [], []
    votes: dict[str, dict[str, None]] = defaultdict(dict)
    for one in references(folder):
        if one.split not in numbers:
            raise InputError(f"the image {one.file_name!r} is in an unknown split", where=str(folder))
        ids.append(one.id)
        of_ids.append(numbers[one.split])
        group = one.group or one.sha256 or one.identity or one.file_name  # as `ItemWriter` leaves out what is equal
        votes[group][one.split] = None
    image_ids = np.array(ids, np.int64)
    order = np.argsort(image_ids)
    sha256 = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    groups = {group: next(iter(found)) for group, found in votes.items()}
    return Previous(folder, manifest, sha256, splits, image_ids[order], np.array(of_ids, np.int16)[order], groups)


def ids_of(exceptions: Mapping[str, int], bits: int) -> Ids:
    """Return ids with the exceptions of a manifest."""
    return Ids({int(key, 16): number for key, number in exceptions.items()}, bits)
