"""Pictures of doubtful annotations: the part of the image around them, as a small JPEG in the page itself."""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from labelyard.releases.manifest import ImageReference, is_safe
from labelyard.releases.report.blocks import TIMES

Box = Sequence[float]
"""x, y, width, height in pixels."""

SIDE = 240
"""Pixels of the longer side."""
_LEAST_VIEW = 48.0
_AROUND = 2.2
MOST_PIXELS = 80_000_000
"""Of an image while it is decoded, unless a caller says less. Large JPEGs are decoded at a fraction of their size."""
_LEAST_FRACTION = 8
_TURNED = (5, 6, 7, 8)
"""Orientations of EXIF that swap width and height."""
_RESIZED_AS_THEY_ARE = ("RGB", "RGBA", "L", "CMYK")
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

    def find_all(self, _release: Path, wanted: Sequence[ImageReference]) -> dict[int, Path | str]:
        """Return the files of images of a release, by their ids, or why there is none."""
        return {one.id: self.find(one.file_name, one.split) or "the file is missing" for one in wanted}

    def find(self, file_name: str, split: str) -> Path | None:
        """Return the file of an image; None if it is missing or its name could lead out of the folder."""
        if not is_safe(file_name):
            return None
        paths = (self.folder / file_name, self.folder / split / file_name)
        try:
            return next((path for path in paths if path.is_file()), None)
        except OSError:  # a name that is too long, or a folder that cannot be read
            return None


def thumbnail(
    path: Path, size: tuple[float, float], boxes: Sequence[Box], most_pixels: int = MOST_PIXELS
) -> Thumbnail | str:
    """Return the part of an image around some boxes, the whole image if there are none, or why there is no picture.

    `size` is what the annotations take for the size of the image: its own, or that after the turn which its EXIF asks
    for. No image is decoded to more than `most_pixels`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                return _drawn(opened, size, boxes, most_pixels)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "the file cannot be read as an image"
    except MemoryError:
        return "the file is too large"


def _drawn(opened: Image.Image, size: tuple[float, float], boxes: Sequence[Box], most_pixels: int) -> Thumbnail | str:
    expected = int(size[0]), int(size[1])
    is_turned = opened.size != expected
    if is_turned and _turned_size(opened) != expected:
        return f"the file is of another size: {opened.width} {TIMES} {opened.height} px"
    left, top, right, bottom = _view(expected, boxes)
    scale = min(SIDE / (right - left), SIDE / (bottom - top), 4.0)
    _decode_at_a_fraction(opened, scale, most_pixels)
    if opened.width * opened.height > most_pixels:
        return "the file has too many pixels"
    image = ImageOps.exif_transpose(opened) if is_turned else opened
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    across, down = image.width / expected[0], image.height / expected[1]
    part = left * across, top * down, min(right * across, image.width), min(bottom * down, image.height)
    small = _resized(image, (width, height), part)
    written = io.BytesIO()
    small.save(written, "JPEG", quality=_QUALITY, optimize=True)
    placed = [((x - left) * scale, (y - top) * scale, w * scale, h * scale) for x, y, w, h in boxes]
    return Thumbnail(base64.b64encode(written.getvalue()).decode(), width, height, placed)


def _turned_size(opened: Image.Image) -> tuple[int, int]:
    return opened.size[::-1] if opened.getexif().get(ExifTags.Base.Orientation) in _TURNED else opened.size


def _decode_at_a_fraction(opened: Image.Image, scale: float, most_pixels: int) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8: with twice the pixels that are shown, or fewer if it is large."""
    wanted = 1
    while wanted < _LEAST_FRACTION and (
        wanted * 4 * scale <= 1 or opened.width * opened.height > most_pixels * wanted**2
    ):
        wanted *= 2
    if wanted > 1:
        opened.draft(None, (max(1, opened.width // wanted), max(1, opened.height // wanted)))


def _resized(image: Image.Image, size: tuple[int, int], part: tuple[float, float, float, float]) -> Image.Image:
    """Return a part of an image in another size, as RGB. The usual images are not copied before."""
    if image.mode not in _RESIZED_AS_THEY_ARE:
        left, top, right, bottom = int(part[0]), int(part[1]), math.ceil(part[2]), math.ceil(part[3])
        image = _as_rgb(image.crop((left, top, right, bottom)))
        part = part[0] - left, part[1] - top, part[2] - left, part[3] - top
    return image.resize(size, Image.Resampling.BILINEAR, part, reducing_gap=2).convert("RGB")


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
