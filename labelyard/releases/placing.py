"""The images of a merge: their ids, their splits, and those that several sources have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelyard.errors import InputError
from labelyard.releases.ids import IdArray, Ids, among, duplicates
from labelyard.releases.previous import Previous
from labelyard.releases.sources import Source

_SAME = ("coco_url", "etag", "sha256")
"""Fields that say which content an image has: where both have one, they must be the same."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The images of a source, in their order: shape (n,). The id of one that is left out is 0.

    `again` has the positions of images that are written already, `shared` the ids of images that occur again.
    """

    ids: IdArray
    splits: npt.NDArray[np.int16]
    again: frozenset[int]
    shared: frozenset[int]


def place_images(sources: Sequence[Source], ids: Ids, names: Sequence[str], previous: Previous | None) -> list[Placed]:
    """Return the images of each source, and add exceptions to `ids` where two images would have one.

    `names` has the splits by their number.

    Raises InputError if two sources have different images of one identity.
    """
    keys = [np.frombuffer(source.keys, np.uint64) for source in sources]
    written = np.concatenate([own[own > 0] for own in keys])
    ids.resolve(np.unique(written), previous.holders_of_images if previous else lambda _: {})
    splits = [np.frombuffer(source.splits, np.int16).copy() for source in sources]
    again = _repetitions(sources, keys, splits, set(map(int, duplicates(written))))
    shared = frozenset(ids.id_of(int(key)) for key in duplicates(written))
    placed = []
    for own, of_source, positions in zip(keys, splits, again, strict=True):
        numbers = np.where(own > 0, ids.ids_of(own), 0)
        if previous:
            _take_over(numbers, of_source, names, previous)
        placed.append(Placed(numbers, of_source, frozenset(positions), shared))
    return placed


def _take_over(ids: IdArray, splits: npt.NDArray[np.int16], names: Sequence[str], previous: Previous) -> None:
    """Set the splits that the previous release has: no image moves."""
    here = np.array([names.index(name) for name in previous.splits], np.int16)
    known = among(ids, previous.image_ids)
    positions = np.searchsorted(previous.image_ids, ids[known])
    splits[known] = here[previous.image_splits[positions]]


def _repetitions(
    sources: Sequence[Source],
    keys: Sequence[npt.NDArray[np.uint64]],
    splits: Sequence[npt.NDArray[np.int16]],
    repeated: set[int],
) -> list[set[int]]:
    """Return the positions of images that an earlier source has, or an earlier place in the source."""
    again: list[set[int]] = [set() for _ in sources]
    if not repeated:
        return again
    first: dict[int, tuple[int, Mapping[str, Any], int]] = {}
    for number, source in enumerate(sources):
        if not repeated.intersection(map(int, keys[number])):
            continue
        for position, image in source.images():
            key = int(keys[number][position])
            if key not in repeated:
                continue
            if key in first:
                other, facts, split = first[key]
                _require_same(image, source, facts, sources[other])
                again[number].add(position)
                splits[number][position] = split
            else:
                facts = {name: image.get(name) for name in ("file_name", "width", "height", *_SAME)}
                first[key] = number, facts, int(splits[number][position])
    return again


def _require_same(image: Mapping[str, Any], source: Source, facts: Mapping[str, Any], other: Source) -> None:
    size, known = ((one["width"], one["height"]) for one in (image, facts))
    where = f"{source.path}, image {image['file_name']}"
    if size != known:
        raise InputError(
            f"it has {size[0]} x {size[1]} pixels here, {known[0]} x {known[1]} in {other.path}", where=where,
            next_step="rename one of the images, or leave out one of the files",
        )  # fmt: skip
    if image["file_name"] != facts["file_name"]:
        return  # one content under two names, by its identity
    for name in _SAME:
        if image.get(name) and facts[name] and image[name] != facts[name]:
            raise InputError(
                f"its {name} is {image[name]} here, {facts[name]} in {other.path}: two contents of one name",
                where=where,
                next_step="rename one of the images, or leave out one of the files",
            )
