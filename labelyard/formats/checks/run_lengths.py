"""COCO's run lengths, as lists of whole numbers and as compressed texts.

pycocotools reads past the end of a text that breaks off, so none is handed to it before it is read here.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from labelyard.formats.checks.values import abbreviated, is_whole_number

PIXEL_LIMIT = 2**32
"""pycocotools counts the pixels of a mask with 32 bits."""

_FIRST = ord("0")
_BITS, _MORE, _SIGN, _VALUE = 5, 32, 16, 31
_MAX_LENGTH = 7  # characters of a number, of 5 bits each


def run_counts(counts: Any, size: Any) -> list[int] | str:
    """Return the run lengths of a mask, background first and column by column, or why they are none.

    `size` is (height, width). Lengths add up to its pixels.
    """
    if not is_mask_size(size):
        return f"the size of its run lengths is {abbreviated(size)}"
    pixels = size[0] * size[1]
    if pixels >= PIXEL_LIMIT:
        return f"its run lengths are for {size[1]} x {size[0]}, more pixels than pycocotools can count"
    if isinstance(counts, str):
        counts = decompressed(counts)
        if counts is None:
            return "its run lengths are a text that is no compressed mask, or is cut off"
    if not isinstance(counts, list) or not all(map(is_whole_number, counts)):
        return "its run lengths are not a list of whole numbers"
    if sum(counts) != pixels:
        # With too few of them pycocotools decodes memory that was never written.
        return f"its run lengths add up to {abbreviated(sum(counts))} instead of {pixels}"
    return counts


def is_mask_size(size: Any) -> TypeGuard[list[int]]:
    """Return whether a value is a list of height and width."""
    return isinstance(size, list) and len(size) == 2 and all(is_whole_number(side) and side > 0 for side in size)


def decompressed(text: str) -> list[int] | None:
    """Return the numbers of a compressed text, of which some may be negative; None if it is none.

    Each character has five bits of a number, and whether more follow; from the fourth number on a number is the
    difference from the one before the last.
    """
    if not text.isascii():
        return None
    values = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - _FIRST
    if not values.size:
        return []
    if values.min() < 0 or values.max() >= 2 * _MORE or values[-1] & _MORE:
        return None
    last = np.flatnonzero(values & _MORE == 0)
    first = np.concatenate(([0], last[:-1] + 1))
    lengths = last - first + 1
    if lengths.max() > _MAX_LENGTH:
        return None
    offsets = np.arange(values.size) - np.repeat(first, lengths)
    numbers = np.add.reduceat((values & _VALUE) << (_BITS * offsets), first)
    numbers -= np.where(values[last] & _SIGN, np.int64(1) << (_BITS * lengths), 0)
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    found: list[int] = numbers.tolist()
    return found
