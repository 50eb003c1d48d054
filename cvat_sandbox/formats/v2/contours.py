"""The outlines of masks, as OpenCV finds and simplifies them (after Teh and Chin). Holes are lost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cvat_sandbox.formats import masks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))
"""The neighbours of a pixel, anticlockwise from the right."""
Pixel = tuple[int, int]


def polygons(mask: masks.Mask) -> list[list[float]]:
    """Return a closed polygon for each connected part of a mask, the lowest first; lines are left out."""
    left, top, width, height = (int(value) for value in masks.box(mask))
    pixels = masks.decode(mask)[top : top + height, left : left + width]
    found = []
    for border in _borders(pixels):
        corners = _simplified(border)
        if len(corners) <= 2:
            continue
        points = [float(value) for x, y in [*corners, corners[0]] for value in (x + left, y + top)]
        if masks.area(masks.draw([points], *mask["size"])) >= 1:
            found.append(points)
    return found[::-1]


def _borders(pixels: np.ndarray) -> Iterator[list[Pixel]]:
    """Yield the outer border of each part, from its leftmost pixel of the first row downwards."""
    for start in _starts(pixels):
        yield _border(pixels, start)


def _starts(pixels: np.ndarray) -> list[Pixel]:
    """Return the leftmost pixel of the first row of each connected part, by rows."""
    parts: list[Pixel] = []
    merged: list[int] = []

    def root(part: int) -> int:
        while merged[part] != part:
            part = merged[part]
        return part

    above: list[tuple[int, int, int]] = []
    for y, row in enumerate(pixels):
        borders = np.flatnonzero(np.diff(row.astype(np.int8), prepend=0, append=0)).tolist()
        current = []
        for start, end in zip(borders[::2], borders[1::2], strict=True):
            touched = sorted({root(part) for left, right, part in above if left <= end and start <= right})
            if not touched:
                touched = [len(parts)]
                parts.append((start, y))
                merged.append(len(merged))
            for part in touched[1:]:
                merged[part] = touched[0]
            current.append((start, end, touched[0]))
        above = current
    return [start for part, start in enumerate(parts) if merged[part] == part]


def _border(pixels: np.ndarray, start: Pixel) -> list[Pixel]:
    height, width = pixels.shape

    def is_set(pixel: Pixel) -> bool:
        return 0 <= pixel[0] < width and 0 <= pixel[1] < height and bool(pixels[pixel[1], pixel[0]])

    def neighbour(pixel: Pixel, step: int) -> Pixel:
        return pixel[0] + STEPS[step % 8][0], pixel[1] + STEPS[step % 8][1]

    step = next((step for step in (3, 2, 1, 0, 7, 6, 5) if is_set(neighbour(start, step))), None)
    if step is None:
        return [start]
    last, current, found = neighbour(start, step), start, []
    while True:
        step = next(s for s in range(step + 1, step + 9) if is_set(neighbour(current, s))) % 8
        found.append(current)
        following = neighbour(current, step)
        if following == start and current == last:
            return found
        current, step = following, (step + 4) % 8


@dataclass
class _Corner:
    """A pixel of a border where its direction changes: how far its neighbourhood extends, and how sharp it is."""

    index: int
    reach: int
    sharpness: float


def _simplified(border: list[Pixel]) -> list[Pixel]:
    """Return the dominant points of a border."""
    if len(border) < 2:
        return border
    turning = [i for i in range(len(border)) if _direction(border, i) != _direction(border, i - 1)]
    corners = []
    for index in turning:
        reach = _reach(border, index)
        corners.append(_Corner(index, reach, _sharpness(border, index, reach)))
    sharpness = [0.0] * len(border)
    for corner in corners:
        sharpness[corner.index] = corner.sharpness
    kept = _suppressed(corners, sharpness, lambda corner: _is_dominated(corner, sharpness))
    kept = _suppressed(kept, sharpness, lambda corner: _is_beside_a_sharper_one(corner, sharpness))
    return [border[corner.index] for corner in kept]


def _direction(border: list[Pixel], index: int) -> Pixel:
    (x0, y0), (x1, y1) = border[index % len(border)], border[(index + 1) % len(border)]
    return x1 - x0, y1 - y0


def _reach(border: list[Pixel], index: int) -> int:
    """Return how many pixels on both sides belong to the corner: until the chord shrinks or the bend does."""
    x, y = border[index]
    chord, bend = 0, 0
    for reach in range(1, len(border) + 1):
        (x0, y0), (x1, y1) = border[(index - reach) % len(border)], border[(index + reach) % len(border)]
        dx, dy = x1 - x0, y1 - y0
        next_chord, next_bend = dx * dx + dy * dy, (x - x0) * dy - (y - y0) * dx
        change = bend * next_chord - next_bend * chord
        if reach > 1 and (chord >= next_chord or (bend > 0 >= change) or (bend < 0 <= change)):
            return reach - 1
        chord, bend = next_chord, next_bend
    return len(border)


def _sharpness(border: list[Pixel], index: int, reach: int) -> float:
    """Return the largest cosine at the corner, from the ends of its neighbourhood inwards while it grows."""
    x, y = border[index]
    found = 0.0
    for step in range(reach, 0, -1):
        (x0, y0), (x1, y1) = border[(index - step) % len(border)], border[(index + step) % len(border)]
        left, right = (x0 - x, y0 - y), (x1 - x, y1 - y)
        if left == (0, 0) or right == (0, 0):
            break
        cosine = (left[0] * right[0] + left[1] * right[1]) / (math.hypot(*left) * math.hypot(*right))
        value = float(np.float32(np.float32(cosine) + 1.1))
        if step < reach and value <= found:
            break
        found = value
    return found


def _suppressed(corners: list[_Corner], sharpness: list[float], is_weak: Callable[[_Corner], bool]) -> list[_Corner]:
    """Return the corners that stay. Each one that goes counts no longer for those after it."""
    kept = []
    for corner in corners:
        if is_weak(corner):
            sharpness[corner.index] = 0.0
        else:
            kept.append(corner)
    return kept


def _is_dominated(corner: _Corner, sharpness: list[float]) -> bool:
    count, reach = len(sharpness), corner.reach // 2
    near = [sharpness[(corner.index + step) % count] for step in range(-reach, reach + 1)]
    return max(near) > corner.sharpness


def _is_beside_a_sharper_one(corner: _Corner, sharpness: list[float]) -> bool:
    beside = sharpness[corner.index - 1], sharpness[(corner.index + 1) % len(sharpness)]
    return corner.reach == 1 and max(beside) >= corner.sharpness
