"""Pictures of doubtful annotations: the part of the image around them, as a small JPEG in the page itself."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from labelyard.releases.manifest import is_safe
from labelyard.releases.report.blocks import TIMES

Box = Sequence[float]
"""x, y, width, height in pixels."""

SIDE = 240
"""Pixels of the longer side."""
_LEAST_VIEW = 48.0
_AROUND = 2.2
_MOST_PIXELS = 80_000_000
_QUALITY = 62


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A part of an image as a JPEG in base64, its size, and the boxes in its pixels."""

    data: str
    width: int
    height: int
    boxes: Sequence[tuple[float, float, float, float]]


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """The image files of a release, below a folder: `FILE_NAME`, or `SPLIT/FILE_NAME`."""

    folder: Path

    def find(self, file_name: str, split: str) -> Path | None:
        """Return the file of an image; None if it is missing or its name could lead out of the folder."""
        if not is_safe(file_name):
            return None
        paths = (self.folder / file_name, self.folder / split / file_name)
        try:
            return next((path for path in paths if path.is_file()), None)
        except OSError:  # a name that is too long, or a folder that cannot be read
            return None


def thumbnail(path: Path, size: tuple[float, float], boxes: Sequence[Box]) -> Thumbnail | str:
    """Return the part of an image around some boxes, the whole image if there are none, or why there is no picture.

    `size` is what the annotations take for the size of the image: its own, or that after the turn which its EXIF asks
    for.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                return _drawn(opened, size, boxes)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "the file cannot be read as an image"
    except MemoryError:
        return "the file is too large"


def _drawn(opened: Image.Image, size: tuple[float, float], boxes: Sequence[Box]) -> Thumbnail | str:
    if opened.width * opened.height > _MOST_PIXELS:
        return "the file has too many pixels"
    expected = int(size[0]), int(size[1])
    image: Image.Image = opened
    if opened.size != expected:
        image = ImageOps.exif_transpose(opened)
        if image.size != expected:
            return f"the file is of another size: {opened.width} {TIMES} {opened.height} px"
    left, top, right, bottom = _view(expected, boxes)
    scale = min(SIDE / (right - left), SIDE / (bottom - top), 4.0)
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    small = _as_rgb(image.crop((left, top, right, bottom))).resize(
        (width, height), Image.Resampling.BILINEAR, reducing_gap=2
    )
    written = io.BytesIO()
    small.save(written, "JPEG", quality=_QUALITY, optimize=True)
    placed = [((x - left) * scale, (y - top) * scale, w * scale, h * scale) for x, y, w, h in boxes]
    return Thumbnail(base64.b64encode(written.getvalue()).decode(), width, height, placed)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # 16 bits and more: the brightest pixel becomes white
        low, high = image.convert("F").getextrema()
        assert isinstance(low, float)
        assert isinstance(high, float)
        return image.convert("F").point(lambda value: (value - low) * (255 / max(high - low, 1))).convert("RGB")
    return image.convert("RGB")


def _view(size: tuple[int, int], boxes: Sequence[Box]) -> tuple[int, int, int, int]:
    """Return the part of an image to show: the boxes with what is around them, inside of the image."""
    if not boxes:
        return 0, 0, *size
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    half = max((right - left) * _AROUND, (bottom - top) * _AROUND, _LEAST_VIEW) / 2
    found = []
    for start, end, side in ((left, right, size[0]), (top, bottom, size[1])):
        middle = min(max((start + end) / 2, half), max(side - half, side / 2))
        low, high = max(0, int(middle - half)), min(side, int(middle + half) + 1)
        found.append((low, high) if high > low else (0, side))
    return found[0][0], found[1][0], found[0][1], found[1][1]
