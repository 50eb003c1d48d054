"""What was drawn and what a reader finds, as boxes.

datumaro rounds coordinates to two decimals, so numbers are compared to a hundredth of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.annotations.masks import MaskRuns, Pixels, image_pixels, mask_runs
from labelyard.annotations.outlines import extent
from tests.support.content_strategies import IMAGES

BY_FRAME = {image.frame: image for image in IMAGES}


class Found(NamedTuple):
    """An object as a reader sees it: left, top, right and bottom in pixels."""

    image: str
    label: str
    box: tuple[float, ...]


def drawn(objects: Iterable[FrameObject], images: Sequence[Image] = IMAGES) -> list[Found]:
    names = {image.frame: image.name for image in images}
    return [Found(names[one.frame], one.label, box_of(one)) for one in objects]


def box_of(one: FrameObject) -> tuple[float, ...]:
    """The box of an object from what was drawn, not from what a format made of it."""
    if one.kind is Kind.SKELETON:
        return extent([value for point in one.keypoints if not point.outside for value in (point.x, point.y)])
    if one.kind in (Kind.MASK, Kind.ELLIPSE):
        rows, columns = np.nonzero(pixels_of(one))
        return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return extent(one.points)


def pixels_of(one: FrameObject) -> Pixels:
    image = BY_FRAME[one.frame]
    if one.kind is Kind.MASK:
        runs = mask_runs(one.points)
        assert isinstance(runs, MaskRuns)
        return image_pixels(runs, image.width, image.height)
    x, y, right, top = one.points
    ys, xs = np.mgrid[: image.height, : image.width] + 0.5
    turn = np.radians(one.rotation)
    along, across = (xs - x) * np.cos(turn) + (ys - y) * np.sin(turn), (ys - y) * np.cos(turn) - (xs - x) * np.sin(turn)
    return np.asarray((along / (right - x)) ** 2 + (across / (y - top)) ** 2 <= 1, np.uint8)


def assert_same(found: Iterable[Found], expected: Iterable[Found], tolerance: float = 0.01) -> None:
    left, right = sorted(found), sorted(expected)
    assert [one[:2] for one in left] == [one[:2] for one in right]
    for one in left:
        match = next(
            (o for o in right if o[:2] == one[:2] and np.allclose(o.box, one.box, rtol=0, atol=tolerance)), None
        )
        assert match is not None, f"{one} is not among {right}"
        right.remove(match)


def corners(x: float, y: float, width: float, height: float) -> tuple[float, ...]:
    return x, y, x + width, y + height
