"""`yolo-detect`: `class x y width height`, x and y of the box's centre."""

from __future__ import annotations

from collections.abc import Sequence

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.annotations.outlines import extent
from labelyard.domain.labels import Label
from labelyard.formats.interface import HELD
from labelyard.formats.yolo.outlines import clamped, is_inside
from labelyard.formats.yolo.rows import NOTHING_IN_IMAGE, PlainRows, Row, box_of, centred, holding


class DetectRows(PlainRows):
    """Rows of boxes (see `rows.Rows`). Like CVAT's export, it invents no box for another kind of object."""

    holds = holding("boxes", {Kind.RECTANGLE: HELD})

    def row(self, one: FrameObject, label: Label, image: Image) -> Row | str:  # noqa: ARG002 - see Rows
        """Return the box of a rectangle that is not turned."""
        if one.rotation % 360:
            return "the format has no turned boxes, yolo-obb and coco hold them"
        box = extent(one.points)
        numbers = centred(clamped(box, image), image)
        return Row(numbers, not is_inside(box, image)) if numbers else NOTHING_IN_IMAGE

    def box(self, numbers: Sequence[float]) -> Sequence[float]:
        """Return all numbers."""
        return numbers

    def parsed(self, numbers: Sequence[float], label: Label, image: Image) -> FrameObject:
        """Return a rectangle."""
        if len(numbers) != 4:
            raise ValueError(f"a box has 4 numbers after its class, not {len(numbers)}")
        return FrameObject(Kind.RECTANGLE, image.frame, label.name, box_of(numbers, image))
