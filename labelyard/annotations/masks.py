"""CVAT's masks: run lengths over a box, row by row, background first, then left, top, right and bottom of the box."""

from __future__ import annotations

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


def box_pixels(mask: MaskRuns) -> Pixels:
    """Return the pixels of the mask's box."""
    values = np.arange(len(mask.runs)) % 2
    return np.repeat(values, mask.runs).astype(np.uint8).reshape(mask.height, mask.width)


def image_pixels(mask: MaskRuns, width: int, height: int) -> Pixels:
    """Return the pixels of the whole image. What lies outside of it is cut off."""
    pixels = np.zeros((height, width), np.uint8)
    left, top = max(mask.left, 0), max(mask.top, 0)
    right, bottom = min(mask.left + mask.width, width), min(mask.top + mask.height, height)
    if right > left and bottom > top:
        box = box_pixels(mask)
        pixels[top:bottom, left:right] = box[top - mask.top : bottom - mask.top, left - mask.left : right - mask.left]
    return pixels


def mask_points(pixels: Pixels) -> tuple[float, ...]:
    """Return the points of a mask shape for the pixels of a whole image, () for none."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return ()
    top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    flat = pixels[top : bottom + 1, left : right + 1].ravel()
    edges = np.concatenate(([0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]))
    runs = np.diff(edges).tolist()
    return tuple(float(value) for value in (*([0, *runs] if flat[0] else runs), left, top, right, bottom))
