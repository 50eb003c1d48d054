"""What annotators see: where CVAT's frames do not look as the file means."""

from __future__ import annotations

import math
from collections.abc import Iterator

from PIL import Image

from labelyard.images.servers import Server

_NEARLY_BLACK = 16


def pixel_warnings(image: Image.Image, mode: str, server: Server) -> Iterator[str]:
    """Yield what CVAT does to the pixels of a decoded image; `mode` is what the server's Pillow calls them."""
    if mode in server.equalises:
        yield "16 bits: CVAT stretches the values from black to white and equalises them, so contrast is not as stored"
    elif mode in server.clips:
        yield from _clipped(image, mode)
    elif mode == "I":
        yield from _scaled(image)
    elif mode == "LAB":
        yield "CIE L*a*b*: CVAT's conversion shows false colours, mostly too dark"
    elif mode == "CMYK":
        yield "CMYK: CVAT converts it without its colour profile, so colours differ from print"
    elif _is_transparent(image):
        yield "transparent parts: CVAT ignores transparency and shows the colours below it"


def _clipped(image: Image.Image, mode: str) -> Iterator[str]:
    low, high = _extrema(image)
    kind = "floating point" if mode == "F" else "16 bits"
    if high <= _NEARLY_BLACK:
        yield f"{kind}: the highest value is {high:g} and CVAT shows 255 as white, so frames are black"
    elif high > 255:
        yield f"{kind}: CVAT shows every value above 255 as white (the highest is {high:g}), so frames look washed out"
    if low < 0:
        yield f"{kind}: CVAT shows every negative value as black (the lowest is {low:g})"


def _scaled(image: Image.Image) -> Iterator[str]:
    low, high = _extrema(image)
    if high <= 0:
        yield "more than 8 bits: no value is above 0, so frames are black"
    elif high < 256:
        yield f"more than 8 bits: CVAT shows the highest value ({high:g}) as white, so frames are brighter than stored"
    else:
        yield f"more than 8 bits: CVAT scales the values so that the highest ({high:g}) is white"
    if low < 0:
        yield f"more than 8 bits: CVAT shows values that do not fit, or are negative, as black (the lowest is {low:g})"


def _extrema(image: Image.Image) -> tuple[float, float]:
    # Pillow has no extrema of big-endian pixels.
    found = image.convert("I").getextrema() if image.mode == "I;16B" else image.getextrema()
    low, high = (float(value) for value in found[:2] if isinstance(value, (int, float)))
    return (low if math.isfinite(low) else 0.0), (high if math.isfinite(high) else 0.0)


def _is_transparent(image: Image.Image) -> bool:
    if "A" in image.getbands():
        low, _ = image.getchannel("A").getextrema()
        return isinstance(low, (int, float)) and low < 255
    return "transparency" in image.info
