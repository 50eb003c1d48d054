"""Masks: polygons drawn by pycocotools as on the real server, and run lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as masks

MAX_OUTLINE = 4_000_000
"""Pixels. A longer outline would need too much memory."""

Mask = dict[str, Any]
"""A mask as pycocotools holds it: compressed run lengths and the size of the canvas."""


def draw(polygons: list[list[float]], height: int, width: int) -> Mask:
    """Return the mask that several polygons [x0, y0, x1, y1, …] cover together.

    Raises ValueError for an outline that is too long, and for NaN and infinity.
    """
    for points in polygons:
        corners = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(corners).all() or np.abs(np.diff(corners, axis=0)).sum() > MAX_OUTLINE:
            raise ValueError("a polygon's outline is too long to draw")
    mask: Mask = masks.merge(masks.frPyObjects(polygons, height, width))
    return mask


def area(mask: Mask) -> int:
    """Return the number of pixels that a mask covers."""
    return int(masks.area(mask))


def run_lengths(mask: Mask) -> list[int]:
    """Return the run lengths of a mask, column by column and background first, as COCO writes them."""
    runs: list[int] = []
    for length in _unpacked(mask["counts"]):
        if length == 0 and runs:
            runs.append(-1)  # the runs on both sides are one
        elif runs and runs[-1] == -1:
            runs.pop()
            runs[-1] += length
        else:
            runs.append(length)
    return runs if not runs or runs[-1] != -1 else runs[:-1]


def _unpacked(packed: bytes) -> list[int]:
    """Return the numbers in the text of pycocotools: five bits a character, differences from the third run on."""
    found: list[int] = []
    number, shift = 0, 0
    for character in packed:
        bits = character - 48
        number |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            number -= 1 << shift
        found.append(number + (found[-2] if len(found) > 2 else 0))
        number, shift = 0, 0
    return found


def _runs(pixels: np.ndarray) -> list[int]:
    changes = np.flatnonzero(np.diff(pixels)) + 1
    runs: list[int] = np.diff(np.concatenate([[0], changes, [pixels.size]])).tolist()
    return [0, *runs] if pixels.size and pixels[0] else runs


# -- for CVAT 2.x


def encode(pixels: np.ndarray) -> Mask:
    """Return the mask of an array of rows."""
    mask: Mask = masks.encode(np.asfortranarray(pixels, dtype=np.uint8))
    return mask


def decode(mask: Mask) -> np.ndarray:
    """Return the rows of a mask as an array of 0 and 1."""
    pixels: np.ndarray = masks.decode(mask)
    return pixels


def united(parts: list[Mask]) -> Mask:
    """Return the mask that several masks cover together."""
    mask: Mask = masks.merge(parts)
    return mask


def shared(parts: list[Mask]) -> Mask:
    """Return the pixels that all of several masks cover."""
    mask: Mask = masks.merge(parts, intersect=True)
    return mask


def without(mask: Mask, other: Mask) -> Mask:
    """Return the pixels of a mask that another one does not cover."""
    counts = _compressed_runs(other)
    height, width = other["size"]
    rest = from_run_lengths(counts[1:] if not counts[0] else [0, *counts], height, width)
    return shared([mask, rest])


def _compressed_runs(mask: Mask) -> list[int]:
    """Return the run lengths of a mask, read from its compressed text: much faster than from the pixels."""
    runs: list[int] = []
    value = shift = 0
    for byte in mask["counts"]:
        bits = byte - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            value -= (bits & 0x10) << (shift - 4)
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs


def overlap(first: Mask, second: Mask) -> float:
    """Return the intersection over union of two masks, 0 for two empty ones."""
    return float(overlaps([first], [second])[0, 0])


def overlaps(first: list[Mask], second: list[Mask]) -> np.ndarray:
    """Return the intersection over union of each mask with each of the others."""
    found = masks.iou(first, second, [0] * len(second)) if first and second else []
    return np.reshape(found, (len(first), len(second)))


def box(mask: Mask) -> tuple[float, float, float, float]:
    """Return x, y, width and height of a mask."""
    x, y, width, height = masks.toBbox(mask).tolist()
    return x, y, width, height


def from_rows(points: list[float], height: int, width: int) -> Mask:
    """Return a mask of CVAT 2.x: run lengths of the rows of its box, background first, then left, top, right, bottom.

    Raises ValueError for more pixels than the box has, and for a box outside of the image. Fewer pixels are filled up
    with background; the real server leaves chance there.
    """
    *runs, left, top, right, bottom = (int(value) for value in points)
    shape = (bottom - top + 1, right - left + 1)
    if sum(runs) > shape[0] * shape[1] or min(runs, default=0) < 0:
        raise ValueError("Invalid RLE mask representation")
    flat = np.zeros(shape[0] * shape[1], dtype=np.uint8)
    flat[: sum(runs)] = np.repeat(np.arange(len(runs)) % 2, runs)
    if min(left, top) < 0 or bottom >= height or right >= width:
        raise ValueError(f"could not broadcast a mask of {shape} into an image of {(height, width)}")
    columns, rows = np.nonzero(flat.reshape(shape).T)
    return _from_pixels((columns + left) * height + rows + top, height, width)


def _from_pixels(positions: np.ndarray, height: int, width: int) -> Mask:
    """Return the mask of pixels, which are counted column by column and in ascending order."""
    breaks = np.flatnonzero(np.diff(positions) > 1)
    starts = positions[np.concatenate([[0], breaks + 1])] if positions.size else positions
    ends = positions[np.concatenate([breaks, [positions.size - 1]])] + 1 if positions.size else positions
    borders = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], borders, [height * width]]))
    return from_run_lengths(counts.astype(int).tolist(), height, width)


def paint(canvas: np.ndarray, mask: Mask, number: int) -> None:
    """Set the pixels of a mask in a canvas, whose pixels are in one row, column by column."""
    ends = np.cumsum(run_lengths(mask)).tolist()
    for start, end in zip(ends[::2], ends[1::2], strict=False):
        canvas[start:end] = number


def to_rows(mask: Mask) -> list[int]:
    """Return a mask as CVAT 2.x saves it, the opposite of `from_rows`. An empty mask has one background pixel."""
    pixels = decode(mask)
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return [1, 0, 0, 0, 0]
    top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    return [*_runs(pixels[top : bottom + 1, left : right + 1].ravel()), left, top, right, bottom]


def from_run_lengths(counts: list[int] | str | bytes, height: int, width: int) -> Mask:
    """Return the mask of COCO's run lengths, compressed or not."""
    if isinstance(counts, list):
        mask: Mask = masks.frPyObjects({"counts": counts, "size": [height, width]}, height, width)
        return mask
    return {"counts": counts if isinstance(counts, bytes) else counts.encode(), "size": [height, width]}


def compressed(mask: Mask) -> str:
    """Return the run lengths as text, compressed by pycocotools."""
    return str(mask["counts"].decode("ascii"))
