"""`yolo-segment`: `class x1 y1 x2 y2 …`, the outline of an object in one part."""

from __future__ import annotations

from collections.abc import Sequence

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.annotations.masks import MaskRuns, clipped_pixels, mask_runs
from labelyard.annotations.outlines import ellipse_outline, polygon_area
from labelyard.domain.labels import Label
from labelyard.formats.interface import HELD, Holding
from labelyard.formats.yolo.contours import joined, outer_outlines
from labelyard.formats.yolo.outlines import cut, is_inside
from labelyard.formats.yolo.rows import NOTHING_IN_IMAGE, PlainRows, Row, holding, pixels, shares

MAX_PARTS = 100
"""Parts of a mask that one outline joins. A mask of more is noise, and readers would see mostly joining lines."""

MAX_RUNS = 200_000
"""Runs of a mask whose outline is searched for, which takes seconds from here on. A mask of more is noise, too."""

_LEAST_AREA = 1e-6


class SegmentRows(PlainRows):
    """Rows of outlines (see `rows.Rows`). A box is refused: readers take no file that has rows of boxes, too."""

    holds = holding(
        "outlines",
        {
            Kind.POLYGON: HELD,
            Kind.ELLIPSE: Holding(held=True, lost="an ellipse becomes a polygon"),
            Kind.MASK: Holding(
                held=True, lost="a mask becomes its outer outline: holes are filled, lines join its parts"
            ),
        },
    )

    def row(self, one: FrameObject, label: Label, image: Image) -> Row | str:  # noqa: ARG002 - see Rows
        """Return the outline of a polygon, an ellipse or a mask, without what is outside of the image."""
        outline = _mask_outline(one, image) if one.kind is Kind.MASK else _outline(one)
        if isinstance(outline, str):
            return outline
        inside = is_inside(outline, image)
        numbers = shares(outline if inside else cut(outline, image), image)
        if len(numbers) < 6 or polygon_area(pixels(numbers, image)) < _LEAST_AREA:
            return NOTHING_IN_IMAGE
        return Row(numbers, not inside or (one.kind is Kind.MASK and _reaches_beyond(one, image)))

    def parsed(self, numbers: Sequence[float], label: Label, image: Image) -> FrameObject:
        """Return a polygon."""
        if len(numbers) < 6 or len(numbers) % 2:
            raise ValueError(f"an outline has at least 6 numbers after its class, two for each point: {len(numbers)}")
        return FrameObject(Kind.POLYGON, image.frame, label.name, pixels(numbers, image))


def _outline(one: FrameObject) -> Sequence[float]:
    return ellipse_outline(one) if one.kind is Kind.ELLIPSE else one.points


def _mask_outline(one: FrameObject, image: Image) -> Sequence[float] | str:
    """Return the outline of the part of a mask that is in the image, or why it has none."""
    found = _runs(one)
    if len(found.runs) > MAX_RUNS:
        return f"its mask has more than {MAX_RUNS} run lengths, coco holds it"
    left, top, mask = clipped_pixels(found, image.width, image.height)
    if not mask.any():
        return NOTHING_IN_IMAGE
    outlines = outer_outlines(mask)
    if len(outlines) > MAX_PARTS:
        return f"its mask has more than {MAX_PARTS} parts, coco holds it"
    return [value + (top if odd % 2 else left) for odd, value in enumerate(joined(outlines))]


def _reaches_beyond(one: FrameObject, image: Image) -> bool:
    found = _runs(one)
    return not is_inside((found.left, found.top, found.left + found.width, found.top + found.height), image)


def _runs(one: FrameObject) -> MaskRuns:
    found = mask_runs(one.points)
    assert isinstance(found, MaskRuns)  # anything else is a fault
    return found
