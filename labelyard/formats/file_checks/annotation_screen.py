"""A quick look at annotations: which of them may break a rule.

They are decoded into typed structs, so that most of what the rules ask for is asked by the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from operator import mul
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from labelyard.formats.checks.annotation_fields import content_key, place_key
from labelyard.formats.checks.boxes import OUTSIDE, is_inside, largest_area
from labelyard.formats.checks.keypoints import keypoints_fault, named_keypoints, visible
from labelyard.formats.checks.run_lengths import PIXEL_LIMIT, decompressed
from labelyard.formats.checks.shapes import OF_BBOX, OF_SHAPE, edge_free
from labelyard.formats.checks.values import COORDINATE_LIMIT, EXACT_LIMIT, is_whole_number
from labelyard.formats.file_checks.hashes import Hashes
from labelyard.formats.file_checks.items import Items
from labelyard.formats.file_checks.structs import AT_ONCE, Structs

Id = Annotated[int, Meta(ge=0, lt=EXACT_LIMIT)]
Side = Annotated[int, Meta(ge=1, lt=int(COORDINATE_LIMIT))]

_AnnotationId = Annotated[int, Meta(ge=1, lt=EXACT_LIMIT)]
_Coordinate = Annotated[float, Meta(gt=-COORDINATE_LIMIT, lt=COORDINATE_LIMIT)]
_Length = Annotated[float, Meta(gt=0, lt=COORDINATE_LIMIT)]
_Number = Annotated[float, Meta(gt=-1e15, lt=1e15)]
_MARGIN = 1.000001
"""Sums of floats differ a little with their order: what is as close to a limit is left to the rules."""
_LEAST_SHARE = OF_SHAPE * _MARGIN
"""An area that is more than this share of its bbox without the pixels on the edge is not too small for an outline."""


class Mask(msgspec.Struct, gc=False):
    """Run lengths."""

    counts: str | list[Annotated[int, Meta(ge=0)]]
    size: tuple[Side, Side]


class Annotation(msgspec.Struct, gc=False):
    """The fields of an annotation that rules read; and `attributes`, which no rule reads."""

    id: _AnnotationId
    image_id: Id
    category_id: Id
    bbox: tuple[_Coordinate, _Coordinate, _Length, _Length]
    area: Annotated[float, Meta(gt=0, lt=1e15)]
    iscrowd: Annotated[int, Meta(ge=0, le=1)]
    segmentation: list[Annotated[list[_Coordinate], Meta(min_length=6)]] | Mask | UnsetType = UNSET
    keypoints: list[_Coordinate] | UnsetType | None = UNSET
    num_keypoints: int | UnsetType = UNSET
    score: _Number | UnsetType | None = UNSET
    attributes: Raw | UnsetType = UNSET


ANNOTATIONS = Structs(Annotation)


class AnnotationScreen:
    """Finds the annotations of a file that may break a rule, while somebody reads them in their order.

    `sizes` has width and height of the images by id. `annotated` are the ids of images with annotations.
    """

    def __init__(self, items: Items, sizes: Mapping[int, tuple[int, int] | None]) -> None:
        self.annotated: set[int] = set()
        self.doubtful: list[int] = []
        self.largest_id = 0
        self.same_id, self._same_place = Hashes(), Hashes()
        self._items, self._sizes, self._count = items, sizes, 0
        self._names = {
            one["id"]: named_keypoints(one) for one in items.plain_all("categories") if is_whole_number(one.get("id"))
        }

    def add_all(self) -> None:
        """Look at all annotations of the file."""
        items = self._items
        structs = ANNOTATIONS.structs(items.annotations, decoded=items.decoded)
        while chunk := list(islice(structs, AT_ONCE)):
            self.add(chunk)

    def add(self, annotations: Sequence[Annotation | None]) -> None:
        """Look at the next annotations. This runs for each annotation of a dataset: it is written to be quick.

        Raises InputError for one that is no object.
        """
        if None in annotations:
            for one in annotations:
                if one is None:
                    self._add_plain()
                else:
                    self._add([one])
        else:
            self._add(annotations)  # type: ignore[arg-type]

    def _add(self, annotations: Sequence[Annotation]) -> None:
        names, size_of_image = self._names, self._sizes.get
        keys = [(one.image_id, one.category_id, one.bbox) for one in annotations]
        for index, (one, (image, category, box)) in enumerate(zip(annotations, keys, strict=True), self._count):
            size = size_of_image(image)
            if size is None or category not in names:
                self.doubtful.append(index)
                continue
            # Most annotations are one outline without keypoints: to ask here what `_is_clean` asks saves its calls.
            shape, area, (x, y, width, height) = one.segmentation, one.area, box
            if (
                type(shape) is list
                and len(shape) == 1
                and not len(shape[0]) & 1
                and one.keypoints is UNSET
                and _LEAST_SHARE * (width - 2) * (height - 2) < area <= width * height
                and x >= -OUTSIDE
                and y >= -OUTSIDE
                and x + width <= size[0] + OUTSIDE
                and y + height <= size[1] + OUTSIDE
            ):
                continue
            if not _is_clean(one, box, size, names[category]):
                self.doubtful.append(index)
        self._same_place.extend(list(map(hash, keys)))  # as place_key
        ids = [one.id for one in annotations]
        self.same_id.extend(ids)
        self.largest_id = max([self.largest_id, *ids])
        self.annotated.update([one.image_id for one in annotations])
        self._count += len(annotations)

    def _add_plain(self) -> None:
        annotation = self._items.plain("annotations", self._count)
        self.doubtful.append(self._count)
        number, image_id = annotation.get("id"), annotation.get("image_id")
        if is_whole_number(image_id):
            self.annotated.add(image_id)
        if is_whole_number(number):
            self.largest_id = max(self.largest_id, number)
        self.same_id.add(number if type(number) in (int, str) else None)
        self._same_place.add(place_key(annotation))
        self._count += 1

    def same_content(self) -> list[int]:
        """Return the annotations of which another one has the same content, outlines included."""
        indexes, content = self._same_place.repeated(), Hashes()
        for index in indexes:
            content.add(content_key(self._items.plain("annotations", index)))
        return [indexes[position] for position in content.repeated()]


def _is_clean(
    one: Annotation, box: tuple[float, float, float, float], size: tuple[int, int], names: int | None
) -> bool:
    """Return whether an annotation with a valid image and category certainly breaks no rule by itself."""
    _, _, width, height = box
    area = one.area
    return (
        is_inside(box, size)
        and (area <= width * height or area <= largest_area(width, height))
        and (one.keypoints is UNSET or one.keypoints is None or _has_clean_keypoints(one, one.keypoints, names))
        and _has_clean_shape(one, area, edge_free(width, height) * _MARGIN, size)
    )


def _has_clean_keypoints(one: Annotation, values: list[float], names: int | None) -> bool:
    return not keypoints_fault(values, names) and one.num_keypoints == visible(values)


def _has_clean_shape(one: Annotation, area: float, inner: float, size: tuple[int, int]) -> bool:
    """Return whether a shape is certainly right, and the area not too small for it. `inner` is the bbox's own area."""
    shape = one.segmentation
    if isinstance(shape, UnsetType) or shape == []:
        return area > OF_BBOX * inner
    if isinstance(shape, list):
        for outline in shape:  # `any` takes three times as long, and there are millions
            if len(outline) & 1:
                return False
    elif (counts := _mask_counts(shape, size)) is None:
        return False
    if area > OF_SHAPE * inner:
        return True
    # The areas of shapes take long: they are measured only if need be.
    inside = max(map(_polygon_area, shape)) if isinstance(shape, list) else sum(counts[1::2])  # type: ignore[index]
    return area > OF_SHAPE * (inside - one.bbox[2] - one.bbox[3] - 4) * _MARGIN


def _polygon_area(points: Sequence[float]) -> float:
    xs, ys = points[::2], points[1::2]
    return abs(sum(map(mul, xs, ys[1:] + ys[:1])) - sum(map(mul, ys, xs[1:] + xs[:1]))) / 2  # type: ignore[operator]


def _mask_counts(mask: Mask, size: tuple[int, int]) -> list[int] | None:
    """Return the run lengths of a mask that are certainly right for the image."""
    height, width = mask.size
    if (width, height) != size or width * height >= PIXEL_LIMIT:
        return None
    counts = decompressed(mask.counts) if isinstance(mask.counts, str) else mask.counts
    if counts is None or sum(counts) != width * height or min(counts) < 0:
        return None
    return counts
