"""The colour that CVAT gives a label: by its name, and another one if a label of the same owner has it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from hashlib import blake2s

KNOWN = {"bus": "#204080", "car": "#2080c0", "cat": "#6080c0", "cow": "#c06000", "dog": "#406040", "person": "#c06060",
         "tree": "#906000"}  # fmt: skip
"""Colours of CVAT's list of common names, as far as they were measured."""


def color_of(name: str, used: Collection[str]) -> str:
    """Return the colour of a new label; `used` are the colours of the others."""
    plain = _plain(name)
    color = KNOWN.get(plain) or _from_number(int.from_bytes(blake2s(plain.encode(), digest_size=3).digest()))
    return next((shade for shade in (color, *_shades(color)) if shade not in used), color)


def _plain(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "_", re.sub(r"[^\w\s-]", "", ascii_name).strip().lower())


def _from_number(number: int) -> str:
    """Return the colour whose channels take the bits of a number in turn, the lowest first."""
    channels = [0, 0, 0]
    for bit in range(24):
        channels[bit % 3] |= (number >> bit & 1) << (7 - bit // 3)
    return "#{:02x}{:02x}{:02x}".format(*channels)


def _shades(color: str) -> Iterator[str]:
    """Yield lighter and then darker shades."""
    channels = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    for end in (255, 0):
        for tenth in range(1, 10):
            yield "#{:02x}{:02x}{:02x}".format(*(int(c + (end - c) * tenth / 10) for c in channels))
