"""Ellipses as masks. CVAT 2.x draws them in two ways, which differ at the border."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cvat_sandbox.formats import masks

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.dataset import Annotation

ONE = 1 << 16
"""OpenCV counts in fractions of a pixel."""
OUTLINE_POINTS = 720


def drawn(ellipse: Annotation, height: int, width: int) -> masks.Mask:
    """Return the pixels that OpenCV fills: centre and axes are rounded to pixels, the rotation to degrees."""
    corners = _opencv_outline(ellipse)
    ends: dict[int, tuple[int, int]] = {}
    border = [pixel for first, last in pairwise([*corners, corners[0]]) for pixel in _line(first, last)]
    for x, y in border + _sides(corners):
        low, high = ends.get(y, (x, x))
        ends[y] = min(low, x), max(high, x)
    pixels = np.zeros((height, width), dtype=np.uint8)
    for y, (low, high) in ends.items():
        if 0 <= y < height and high >= 0:
            pixels[y, max(low, 0) : high + 1] = 1
    return masks.encode(pixels)


def _nearest(value: int) -> int:
    """Return the pixel of a coordinate in fractions of a pixel."""
    return (value + ONE // 2) // ONE


def _sides(corners: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ends of the rows inside of an outline: both sides, from the top corner downwards."""
    top = min(range(len(corners)), key=lambda number: corners[number][1])
    turned = corners[top:] + corners[:top]
    return _side(turned) + _side([turned[0], *reversed(turned)])


def _side(corners: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return a pixel for each row, from the first corner down to the lowest one."""
    found = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        first, last = _nearest(y0), _nearest(y1)
        if last < first:
            break
        if last > first:
            slope = int(((x1 - x0) * 2 + last - first) / (2 * (last - first)))
            found += [(_nearest(x0 + slope * (y - first)), y) for y in range(first, last)]
    return found


def _opencv_outline(ellipse: Annotation) -> list[tuple[int, int]]:
    left, top, right, bottom = ellipse.points
    x, y = round((left + right) / 2) * ONE, round((top + bottom) / 2) * ONE
    a, b = abs(round((right - left) / 2)), abs(round((bottom - top) / 2))
    step = next((step for limit, step in ((3, 90), (10, 30), (15, 18)) if max(a, b) < limit), 5)
    turn = math.radians(round(ellipse.attributes["rotation"]))
    cos, sin = math.cos(turn), math.sin(turn)
    outline = []
    for degrees in range(0, 360, step):
        dx, dy = a * ONE * math.cos(math.radians(degrees)), b * ONE * math.sin(math.radians(degrees))
        outline.append((round(x + dx * cos - dy * sin), round(y + dx * sin + dy * cos)))
    return outline


def _line(first: tuple[int, int], last: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the pixels of a line between two points in fractions of a pixel."""
    end = _nearest(last[0]), _nearest(last[1])
    steep = abs(last[0] - first[0]) <= abs(last[1] - first[1])
    major = 1 if steep else 0
    if last[major] < first[major]:
        first, last = last, first
    distance = last[major] - first[major]
    slope = int((last[1 - major] - first[1 - major]) * ONE / (distance | 1))
    start, minor = _nearest(first[major]), first[1 - major] + ONE // 2
    steps = range(distance // ONE + 1)
    pairs = [(start + step, (minor + slope * step) // ONE) for step in steps]
    return [end, *((b, a) if steep else (a, b) for a, b in pairs)]


def outlined(ellipse: Annotation, height: int, width: int) -> masks.Mask:
    """Return the pixels inside of a polygon of 720 points; the rotation is lost."""
    left, top, right, bottom = ellipse.points
    angles = np.linspace(0, 2 * np.pi, OUTLINE_POINTS)
    xs = (left + right) / 2 + (right - left) / 2 * np.cos(angles)
    ys = (top + bottom) / 2 + (bottom - top) / 2 * np.sin(angles)
    return masks.draw([np.stack([xs, ys], axis=1).ravel().tolist()], height, width)
