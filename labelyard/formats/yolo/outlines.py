"""Outlines inside of an image. All points are pixels (x0, y0, x1, y1, …)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from labelyard.annotations.content import Image

Point: TypeAlias = tuple[float, float]

_RECTANGLE_TOLERANCE = 0.01
"""Pixels by which four corners may miss a rectangle: more than their rounding, less than anyone sees."""


def is_inside(points: Sequence[float], image: Image) -> bool:
    """Return whether all points are in an image or on its edge."""
    xs, ys = points[::2], points[1::2]
    return min(xs) >= 0 and min(ys) >= 0 and max(xs) <= image.width and max(ys) <= image.height


def clamped(points: Sequence[float], image: Image) -> list[float]:
    """Return points, those outside of an image moved to its edge."""
    return [min(max(value, 0.0), float(image.height if odd % 2 else image.width)) for odd, value in enumerate(points)]


def cut(points: Sequence[float], image: Image) -> list[float]:
    """Return the part of a polygon that is in an image, () if none is (Sutherland and Hodgman).

    Where several parts are in the image, lines along its edge join them.
    """
    corners = list(zip(points[::2], points[1::2], strict=True))
    for axis, size in enumerate((image.width, image.height)):
        corners = _beyond(corners, axis, 0.0, 1)
        corners = _beyond(corners, axis, float(size), -1)
    return [value for corner in corners for value in corner]


def _beyond(corners: Sequence[Point], axis: int, limit: float, sign: int) -> list[Point]:
    """Return the part of a polygon at or above a limit on an axis; at or below it with the sign -1."""
    found: list[Point] = []
    for number, corner in enumerate(corners):
        previous = corners[number - 1]
        before, here = sign * (previous[axis] - limit), sign * (corner[axis] - limit)
        if (before < 0) != (here < 0):
            share = before / (before - here)
            other = previous[1 - axis] + share * (corner[1 - axis] - previous[1 - axis])
            found.append((limit, other) if axis == 0 else (other, limit))
        if here >= 0:
            found.append(corner)
    return found


def as_rectangle(corners: Sequence[float]) -> tuple[tuple[float, float, float, float], float] | None:
    """Return the rectangle with these four corners: left, top, right, bottom before its turn, and degrees.

    The first corner is its upper left one. None if the corners are not those of a rectangle, clockwise.
    """
    x0, y0, x1, y1, x2, y2, x3, y3 = corners
    width, height = math.hypot(x1 - x0, y1 - y0), math.hypot(x3 - x0, y3 - y0)
    skew = max(abs(x0 + x2 - x1 - x3), abs(y0 + y2 - y1 - y3), abs(math.dist((x0, y0), (x2, y2))
               - math.dist((x1, y1), (x3, y3))))  # fmt: skip
    if skew > _RECTANGLE_TOLERANCE or (x1 - x0) * (y3 - y0) - (y1 - y0) * (x3 - x0) <= 0:
        return None
    x, y = (x0 + x1 + x2 + x3) / 4, (y0 + y1 + y2 + y3) / 4
    degrees = math.degrees(math.atan2(y1 - y0, x1 - x0)) % 360
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2), degrees
