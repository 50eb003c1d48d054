"""Geometry of outlines: flat points in pixels (x0, y0, x1, y1, …)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from labelyard.annotations.content import FrameObject

_ELLIPSE_POINTS = 180


def pairs(points: Sequence[float]) -> list[tuple[float, float]]:
    """Return points as pairs of x and y; an odd last number is left out."""
    return list(zip(points[::2], points[1::2], strict=False))


def extent(points: Sequence[float]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of points."""
    xs, ys = points[::2], points[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def polygon_area(points: Sequence[float]) -> float:
    """Return the area of a polygon in square pixels."""
    xs, ys = points[::2], points[1::2]
    return abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2


def turned_corners(one: FrameObject) -> list[float]:
    """Return the corners of a turned rectangle, clockwise from its own upper left one."""
    left, top, right, bottom = extent(one.points)
    x, y, angle = (left + right) / 2, (top + bottom) / 2, math.radians(one.rotation)
    cos, sin = math.cos(angle), math.sin(angle)
    found = []
    for corner_x, corner_y in ((left, top), (right, top), (right, bottom), (left, bottom)):
        dx, dy = corner_x - x, corner_y - y
        found += [x + dx * cos - dy * sin, y + dx * sin + dy * cos]
    return found


def ellipse_outline(one: FrameObject) -> list[float]:
    """Return an ellipse as a polygon of 180 points."""
    x, y, right, top = one.points
    angles, turn = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False), math.radians(one.rotation)
    dx, dy = abs(right - x) * np.cos(angles), abs(y - top) * np.sin(angles)
    xs, ys = x + dx * math.cos(turn) - dy * math.sin(turn), y + dx * math.sin(turn) + dy * math.cos(turn)
    return [float(value) for value in np.stack([xs, ys], axis=1).ravel()]
