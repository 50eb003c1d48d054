"""A quick look at the items of a large file: which of them may break a rule.

Items are decoded into typed structs, so that most of what the rules ask for is asked by the decoder. An item that is
not certainly clean is left to the rules. What is called clean here breaks no rule; a test proves it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import mul
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from labelyard.formats.checks.annotation_fields import content_key, place_key
from labelyard.formats.checks.boxes import is_inside, largest_area
from labelyard.formats.checks.images import is_unsafe_name, similar_name
from labelyard.formats.checks.keypoints import keypoints_fault, named_keypoints, visible
from labelyard.formats.checks.run_lengths import PIXEL_LIMIT, decompressed
from labelyard.formats.checks.shapes import OF_BBOX, OF_SHAPE, edge_free
from labelyard.formats.checks.values import (
    COORDINATE_LIMIT,
    EXACT_LIMIT,
    is_whole_number,
    size_of,
    whole_number,
)
from labelyard.formats.file_checks.items import Items

_Id = Annotated[int, Meta(ge=0, lt=EXACT_LIMIT)]
_AnnotationId = Annotated[int, Meta(ge=1, lt=EXACT_LIMIT)]
_Side = Annotated[int, Meta(ge=1, lt=int(COORDINATE_LIMIT))]
_Coordinate = Annotated[float, Meta(gt=-COORDINATE_LIMIT, lt=COORDINATE_LIMIT)]
_Length = Annotated[float, Meta(gt=0, lt=COORDINATE_LIMIT)]
_Number = Annotated[float, Meta(gt=-1e15, lt=1e15)]
_MARGIN = 1.000001
"""Sums of floats differ a little with their order: what is as close to a limit is left to the rules."""

COMPARED = {
    "duplicate-image-id": "images",
    "duplicate-image-name": "images",
    "similar-image-names": "images",
    "duplicate-annotation-id": "annotations",
    "duplicate-annotation": "annotations",
}
"""The rules that compare images or annotations -> which of them. Categories are few, and all are compared."""

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_UNREADABLE = (ValueError, RecursionError)  # all of msgspec's errors, and UnicodeEncodeError for half a surrogate pair


class _Image(msgspec.Struct, gc=False):
    id: _Id
    file_name: Annotated[str, Meta(min_length=1)]
    width: _Side
    height: _Side
    exif_orientation: Any = UNSET


class _Mask(msgspec.Struct, gc=False):
    counts: str | list[Annotated[int, Meta(ge=0)]]
    size: tuple[_Side, _Side]


class _Annotation(msgspec.Struct, gc=False):
    id: _AnnotationId
    image_id: _Id
    category_id: _Id
    bbox: tuple[_Coordinate, _Coordinate, _Length, _Length]
    area: Annotated[float, Meta(gt=0, lt=1e15)]
    iscrowd: Annotated[int, Meta(ge=0, le=1)]
    segmentation: list[Annotated[list[_Coordinate], Meta(min_length=6)]] | _Mask | UnsetType = UNSET
    keypoints: list[_Coordinate] | UnsetType | None = UNSET
    num_keypoints: int | UnsetType = UNSET
    score: _Number | UnsetType | None = UNSET


def _typed(items: Items, kind: type[_Struct]) -> Callable[[Any], _Struct]:
    """Return the function that makes a struct of an item; it raises one of `_UNREADABLE` for any other item."""
    return partial(msgspec.convert, type=kind) if items.decoded else msgspec.json.Decoder(kind).decode


@dataclass(frozen=True, slots=True)
class Screened:
    """What is left to the rules: indexes of items, in ascending order.

    `doubtful` are for the rules that judge items by themselves, by part. `equal` has for each rule that compares items
    those that may be equal. `unannotated` are images; `annotated` has enough annotations to see that. `image_ids` has
    the number that the id of each image means.
    """

    doubtful: Mapping[str, Sequence[int]]
    equal: Mapping[str, Sequence[int]]
    unannotated: Sequence[int]
    annotated: Sequence[dict[str, Any]]
    image_ids: Sequence[int | None]
    largest_annotation_id: int


@dataclass(slots=True)
class _Keys:
    """The hashes by which items are compared."""

    hashes: array[int] = field(default_factory=lambda: array("q"))
    indexes: array[int] = field(default_factory=lambda: array("q"))

    def add(self, index: int, key: Any) -> None:
        if key is not None:
            self.hashes.append(hash(key))
            self.indexes.append(index)

    def repeated(self) -> list[int]:
        """Return the indexes of items whose hash is not the only one, in ascending order."""
        if not self.hashes:
            return []
        _, positions, counts = np.unique(np.frombuffer(self.hashes, np.int64), return_inverse=True, return_counts=True)
        found: list[int] = np.sort(np.frombuffer(self.indexes, np.int64)[counts[positions] > 1]).tolist()
        return found


def screen(items: Items) -> Screened:
    """Return which items of a file may break a rule. Raises InputError if one of them is no object."""
    images = _Images(items)
    annotations = _Annotations(items, images.sizes)
    unannotated = (
        [index for index, number in enumerate(images.ids) if number is not None and number not in annotations.annotated]
        if len(items.annotations)
        else []
    )
    equal: dict[str, Sequence[int]] = {
        "duplicate-image-id": images.same_id.repeated(),
        "duplicate-image-name": images.similar.repeated(),
        "similar-image-names": images.similar.repeated(),
        "duplicate-annotation-id": annotations.same_id.repeated(),
        "duplicate-annotation": annotations.same_content(),
    }
    doubtful = {"images": images.doubtful, "annotations": annotations.doubtful}
    return Screened(
        doubtful, equal, unannotated, [{}] if len(items.annotations) else [], images.meant_ids, annotations.largest_id
    )


class _Images:
    """The images: their sizes by id, and those that may break a rule."""

    def __init__(self, items: Items) -> None:
        self.sizes: dict[int, tuple[int, int] | None] = {}
        self.ids: list[int | None] = []
        self.meant_ids: list[int | None] = []
        self.doubtful: list[int] = []
        self.same_id, self.similar = _Keys(), _Keys()
        typed = _typed(items, _Image)
        for index, item in enumerate(items.images):
            try:
                image = typed(item)
            except _UNREADABLE:
                self._add_plain(index, items.plain("images", index))
                continue
            if image.exif_orientation is not UNSET or is_unsafe_name(image.file_name):
                self.doubtful.append(index)
            self.ids.append(image.id)
            self.meant_ids.append(image.id)
            self.sizes[image.id] = image.width, image.height
            self.same_id.add(index, image.id)
            self.similar.add(index, similar_name({"file_name": image.file_name}))

    def _add_plain(self, index: int, image: dict[str, Any]) -> None:
        self.doubtful.append(index)
        number = image.get("id")
        known = number if is_whole_number(number) else None
        self.ids.append(known)
        self.meant_ids.append(whole_number(number))
        if known is not None:
            self.sizes[known] = size_of(image)
        self.same_id.add(index, number if type(number) in (int, str) else None)
        self.similar.add(index, similar_name(image))


class _Annotations:
    """The annotations that may break a rule; `annotated` are the ids of their images."""

    def __init__(self, items: Items, sizes: Mapping[int, tuple[int, int] | None]) -> None:
        self._items = items
        self.annotated: set[int] = set()
        self.doubtful: list[int] = []
        self.largest_id = 0
        self.same_id, self._same_place = _Keys(), _Keys()
        names = {
            one["id"]: named_keypoints(one) for one in items.plain_all("categories") if is_whole_number(one.get("id"))
        }
        typed = _typed(items, _Annotation)
        for index, item in enumerate(items.annotations):
            try:
                one = typed(item)
            except _UNREADABLE:
                self._add_plain(index, items.plain("annotations", index))
                continue
            size = sizes.get(one.image_id)
            if size is None or one.category_id not in names or not _is_clean(one, size, names[one.category_id]):
                self.doubtful.append(index)
            self.annotated.add(one.image_id)
            self.largest_id = max(self.largest_id, one.id)
            self.same_id.add(index, one.id)
            self._same_place.add(index, hash((one.image_id, one.category_id, one.bbox)))  # as place_key

    def _add_plain(self, index: int, annotation: dict[str, Any]) -> None:
        self.doubtful.append(index)
        number, image_id = annotation.get("id"), annotation.get("image_id")
        if is_whole_number(image_id):
            self.annotated.add(image_id)
        if is_whole_number(number):
            self.largest_id = max(self.largest_id, number)
        self.same_id.add(index, number if type(number) in (int, str) else None)
        self._same_place.add(index, place_key(annotation))

    def same_content(self) -> list[int]:
        """Return the annotations of which another one has the same content, outlines included."""
        content = _Keys()
        for index in self._same_place.repeated():
            content.add(index, content_key(self._items.plain("annotations", index)))
        return content.repeated()


def _is_clean(one: _Annotation, size: tuple[int, int], names: int | None) -> bool:
    """Return whether an annotation with a valid image and category certainly breaks no rule by itself."""
    _, _, width, height = one.bbox
    if not is_inside(one.bbox, size) or one.area > largest_area(width, height):
        return False
    if one.keypoints is not UNSET and one.keypoints is not None and (
        keypoints_fault(one.keypoints, names) or one.num_keypoints != visible(one.keypoints)
    ):  # fmt: skip
        return False
    shape = one.segmentation
    if isinstance(shape, UnsetType) or not shape:
        return one.area > OF_BBOX * edge_free(width, height) * _MARGIN
    if isinstance(shape, list):
        for outline in shape:  # `any` takes three times as long, and there are millions
            if len(outline) & 1:
                return False
        return _has_area(one, map(_polygon_area, shape))
    counts = _mask_counts(shape, size)
    return counts is not None and _has_area(one, iter([sum(counts[1::2])]))


def _has_area(one: _Annotation, areas: Iterator[float]) -> bool:
    """Return whether the area is certainly not too small; the areas of the shapes are measured only if need be."""
    _, _, width, height = one.bbox
    if one.area > OF_SHAPE * edge_free(width, height) * _MARGIN:
        return True
    return one.area > OF_SHAPE * (max(areas) - width - height - 4) * _MARGIN


def _polygon_area(points: Sequence[float]) -> float:
    xs, ys = points[::2], points[1::2]
    return abs(sum(map(mul, xs, ys[1:] + ys[:1])) - sum(map(mul, ys, xs[1:] + xs[:1]))) / 2  # type: ignore[operator]


def _mask_counts(mask: _Mask, size: tuple[int, int]) -> list[int] | None:
    """Return the run lengths of a mask that are certainly right for the image."""
    height, width = mask.size
    if (width, height) != size or width * height >= PIXEL_LIMIT:
        return None
    counts = decompressed(mask.counts) if isinstance(mask.counts, str) else mask.counts
    if counts is None or sum(counts) != width * height or min(counts) < 0:
        return None
    return counts
