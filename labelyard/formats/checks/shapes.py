"""What can be measured of an annotation that may hold anything: the area and the extent of its shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelyard.annotations.outlines import extent, polygon_area
from labelyard.formats.checks.run_lengths import is_mask_size, run_counts
from labelyard.formats.checks.values import are_coordinates, is_box

OF_SHAPE, OF_BBOX = 0.5, 0.01
"""The part of a shape's area, and of a bbox without a shape, below which an area is wrong: a mask that has been removed
may have covered little of its bbox."""


def smallest_area(annotation: dict[str, Any]) -> float:
    """Return the smallest area that an annotation may state; 0 if nothing is known of its shape.

    No shape counts for more than its bbox: of an outline that crosses itself a part may count twice.
    """
    box = annotation.get("bbox")
    if not is_box(box):
        return 0.0
    of_box = edge_free(abs(box[2]), abs(box[3]))
    if not annotation.get("segmentation"):
        return OF_BBOX * of_box
    return OF_SHAPE * min(of_box, shape_area(annotation["segmentation"]) - abs(box[2]) - abs(box[3]) - 4)


def edge_free(width: float, height: float) -> float:
    """Return the area of a box without the pixels on its edge, which some tools leave out."""
    return (width - 2) * (height - 2) if width > 2 and height > 2 else 0.0


def shape_area(segmentation: Any) -> float:
    """Return the pixels of run lengths, or the area of the largest outline; 0 for a faulty segmentation."""
    if isinstance(segmentation, dict):
        counts = run_counts(segmentation.get("counts"), segmentation.get("size"))
        return 0.0 if isinstance(counts, str) else float(sum(counts[1::2]))
    return max((polygon_area(outline) for outline in valid_outlines(segmentation)), default=0.0)


def summed_area(segmentation: Any) -> float:
    """Return the pixels of run lengths, or the area of all outlines together; 0 for a faulty segmentation."""
    if isinstance(segmentation, dict):
        return shape_area(segmentation)
    return sum(map(polygon_area, valid_outlines(segmentation)))


def valid_outlines(segmentation: Any) -> list[Sequence[float]]:
    """Return the outlines that have at least three points."""
    found = segmentation if isinstance(segmentation, list) else ()
    return [
        one for one in found if isinstance(one, list) and len(one) >= 6 and not len(one) % 2 and are_coordinates(one)
    ]


def shape_box(segmentation: Any) -> list[float] | None:
    """Return the bbox (x, y, width, height) of a segmentation; None if it has none, or an empty one."""
    if isinstance(segmentation, dict):
        found = _mask_extent(segmentation)
    else:
        points = [value for outline in valid_outlines(segmentation) for value in outline]
        found = extent(points) if points else None
    if found is None or found[2] <= found[0] or found[3] <= found[1]:
        return None
    left, top, right, bottom = found
    return [left, top, right - left, bottom - top]


def _mask_extent(segmentation: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom of run lengths, which go column by column, without decoding the pixels."""
    size = segmentation.get("size")
    counts = run_counts(segmentation.get("counts"), size)
    if isinstance(counts, str) or not is_mask_size(size):
        return None
    height, position = size[0], 0
    columns: list[int] = []
    rows: list[int] = []
    for index, length in enumerate(counts):
        if index % 2 and length:
            first, last = position, position + length - 1
            columns += [first // height, last // height]
            wraps = first // height != last // height
            rows += [0, height - 1] if wraps else [first % height, last % height]
        position += length
    return (min(columns), min(rows), max(columns) + 1, max(rows) + 1) if columns else None
