"""Masks as one polygon: outlines run along the edges of pixels, and the outlines of several parts are joined.

Pixels that touch only at a corner are one part. Holes, and parts inside of holes, are filled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from labelyard.annotations.masks import Pixels

Outline: TypeAlias = list[tuple[int, int]]
"""The corners of a polygon in pixels, clockwise as one sees them. The last one is connected to the first."""

_Edges: TypeAlias = dict[tuple[int, int, int], int]
"""Straight edges by x, y of their start and their direction (1 to the right or down, -1 to the left or up): x or y of
their end."""


def outer_outlines(pixels: Pixels) -> list[Outline]:
    """Return the outer outline of each part of a mask, from the top to the bottom."""
    outlines = list(_outlines(pixels))
    outer = [one for one in outlines if _is_clockwise(one)]
    if len(outer) == len(outlines):
        return outer
    return list(_outlines(_filled(outer, pixels.shape)))


def joined(outlines: Sequence[Outline]) -> list[float]:
    """Return outlines as one polygon (x0, y0, x1, y1, …): a line there and back, which covers nothing, joins them."""
    merged = np.array(outlines[0], float)
    for outline in outlines[1:]:
        part = np.array(outline, float)
        here, there = _close_pair(merged, part)
        detour = np.concatenate([part[there:], part[: there + 1], merged[here : here + 1]])
        merged = np.concatenate([merged[: here + 1], detour, merged[here + 1 :]])
    return [float(value) for value in merged.ravel()]


def _close_pair(merged: npt.NDArray[np.float64], part: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return the index of a corner in each polygon that are close to each other, though perhaps not the closest two."""
    there = 0
    for _ in range(3):
        here = int(((merged - part[there]) ** 2).sum(axis=1).argmin())
        there = int(((part - merged[here]) ** 2).sum(axis=1).argmin())
    return here, there


def _is_clockwise(outline: Outline) -> bool:
    """Return whether an outline has its part inside; that of a hole runs in the other direction."""
    corners = np.array(outline, np.int64)
    following = np.roll(corners, -1, axis=0)
    return bool((corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum() > 0)


def _filled(outer: Sequence[Outline], shape: tuple[int, ...]) -> Pixels:
    """Return the pixels inside of outer outlines."""
    steps = np.zeros((shape[0], shape[1] + 1), np.int32)
    for outline in outer:
        for (x, start), (_, end) in zip(outline, [*outline[1:], outline[0]], strict=True):
            if end < start:  # the left edge of pixels
                steps[end:start, x] += 1
            else:  # the right edge, or an edge along a row, which changes nothing
                steps[start:end, x] -= 1
    return (steps.cumsum(axis=1)[:, :-1] > 0).astype(np.uint8)


def _outlines(pixels: Pixels) -> Iterator[Outline]:
    """Yield all outlines, those of holes, too. Each has its part on the right."""
    padded = np.pad(pixels.astype(np.int8), 1)
    rows = {(x, y, way): end for y, x, end, way in _runs(np.diff(padded, axis=0))}
    columns = {(x, y, -way): end for x, y, end, way in _runs(np.diff(padded, axis=1).T, backwards=True)}
    seen = set()
    for first in rows:
        if first not in seen:
            outline: Outline = []
            edge = first
            while edge not in seen:
                seen.add(edge)
                x, y, way = edge
                x_end = rows[edge]
                # Where two parts touch at a corner, the left turn leads to the other part.
                turn = _outgoing(columns, x_end, y, -way)
                y_end = columns[turn]
                outline += [(x, y), (x_end, y)]
                edge = _outgoing(rows, x_end, y_end, turn[2])
            yield outline


def _outgoing(edges: _Edges, x: int, y: int, way: int) -> tuple[int, int, int]:
    return (x, y, way) if (x, y, way) in edges else (x, y, -way)


def _runs(changes: npt.NDArray[np.int8], *, backwards: bool = False) -> Iterator[tuple[int, int, int, int]]:
    """Yield line, start, end and sign of runs of equal changes between pixels; both ends of each line have none.

    A run of sign -1 ends at its first pixel; with `backwards` one of sign 1 does.
    """
    length = changes.shape[1]
    flat = np.ascontiguousarray(changes).ravel()
    borders = np.flatnonzero(np.diff(flat)) + 1
    signs = flat[borders].tolist()
    positions = borders.tolist()
    for number, sign in enumerate(signs):
        if sign:
            line, start = divmod(positions[number], length)
            end = positions[number + 1] - line * length
            ends = (start - 1, end - 1) if (sign > 0) != backwards else (end - 1, start - 1)
            yield line, *ends, sign
