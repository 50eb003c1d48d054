"""CVAT's masks: run lengths over a box, row by row, background first, then left, top, right and bottom of the box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""Rows x columns, 1 where the mask is."""


@dataclass(frozen=True, slots=True)
class MaskRuns:
    """A mask on the box that begins at (left, top)."""

    left: int
    top: int
    width: int
    height: int
    runs: tuple[int, ...]


def mask_runs(points: tuple[float, ...]) -> MaskRuns | str:
    """Return the mask that the points of a shape mean, or why they mean none."""
    numbers = [int(value) for value in points]
    if len(numbers) < 5:
        return "its mask has no run lengths"
    *runs, left, top, right, bottom = numbers
    width, height = right - left + 1, bottom - top + 1
    if width < 1 or height < 1 or min(runs) < 0:
        return f"its mask has the box {left}, {top}, {right}, {bottom} and run lengths from {min(runs)}"
    if sum(runs) != width * height:
        return f"its run lengths add up to {sum(runs)}, and its box has {width * height} pixels"
    return MaskRuns(left, top, width, height, tuple(runs))


def runs_of_values(values: Pixels) -> list[int]:
    """Return the lengths of the runs in a row of zeros and ones, beginning with zeros."""
    edges = np.concatenate(([0], np.flatnonzero(np.diff(values)) + 1, [values.size]))
    runs: list[int] = np.diff(edges).tolist()
    return [0, *runs] if values[0] else runs


def values_of_runs(runs: Sequence[int]) -> Pixels:
    """Return the row of zeros and ones that has these runs, beginning with zeros."""
    return np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)


def pixel_extent(pixels: Pixels) -> tuple[int, int, int, int] | None:
    """Return the first column and row, and the last column and row, that have a pixel of a mask; None for none."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def clipped_pixels(mask: MaskRuns, width: int, height: int) -> tuple[int, int, Pixels]:
    """Return the part of a mask's box that is inside of an image, after its left and top there."""
    left, top = max(mask.left, 0), max(mask.top, 0)
    box = values_of_runs(mask.runs).reshape(mask.height, mask.width)
    rows = slice(top - mask.top, max(height - mask.top, 0))
    columns = slice(left - mask.left, max(width - mask.left, 0))
    return left, top, box[rows, columns]


def image_pixels(mask: MaskRuns, width: int, height: int) -> Pixels:
    """Return the pixels of the whole image. What lies outside of it is cut off."""
    pixels = np.zeros((height, width), np.uint8)
    left, top, part = clipped_pixels(mask, width, height)
    pixels[top : top + part.shape[0], left : left + part.shape[1]] = part
    return pixels


def mask_points(pixels: Pixels) -> tuple[float, ...]:
    """Return the points of a mask shape for the pixels of a whole image, () for none."""
    found = pixel_extent(pixels)
    if found is None:
        return ()
    left, top, right, bottom = found
    runs = runs_of_values(pixels[top : bottom + 1, left : right + 1].ravel())
    return tuple(float(value) for value in (*runs, left, top, right, bottom))
