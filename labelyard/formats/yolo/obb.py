"""`yolo-obb`: `class x1 y1 x2 y2 x3 y3 x4 y4`, the corners of a box that may be turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.annotations.outlines import polygon_area, turned_corners
from labelyard.domain.labels import Label
from labelyard.formats.interface import HELD
from labelyard.formats.yolo.outlines import as_rectangle, clamped, cut, is_inside
from labelyard.formats.yolo.rows import NOTHING_IN_IMAGE, PlainRows, Row, holding, pixels, shares


class ObbRows(PlainRows):
    """Rows of turned boxes (see `rows.Rows`)."""

    holds = holding("boxes", {Kind.RECTANGLE: HELD})

    def row(self, one: FrameObject, label: Label, image: Image) -> Row | str:  # noqa: ARG002 - see Rows
        """Return the corners of a rectangle, clockwise from its own upper left one.

        Corners outside of the image are moved to its edge. Readers put the smallest box around the four.
        """
        corners = turned_corners(replace(one, rotation=one.rotation % 360))
        numbers = shares(clamped(corners, image), image)
        if not polygon_area(tuple(cut(corners, image))) or not polygon_area(numbers):
            return NOTHING_IN_IMAGE
        return Row(numbers, not is_inside(corners, image))

    def parsed(self, numbers: Sequence[float], label: Label, image: Image) -> FrameObject:
        """Return a rectangle; a polygon where the edge of the image has cut off a corner."""
        if len(numbers) != 8:
            raise ValueError(f"a turned box has 8 numbers after its class, not {len(numbers)}")
        corners = pixels(numbers, image)
        if found := as_rectangle(corners):
            return FrameObject(Kind.RECTANGLE, image.frame, label.name, found[0], rotation=found[1])
        return FrameObject(Kind.POLYGON, image.frame, label.name, corners)
