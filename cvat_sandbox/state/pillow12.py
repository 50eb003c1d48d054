"""What CVAT 2.73 with its Pillow makes of images: it identifies nearly all, and scales those of more than 8 bits.

CVAT only opens an image to create a task; it decodes when somebody looks at a frame, truncated images included.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from cvat_sandbox.state.pillow62 import PNG_SIGNATURE, without_texts

_ORIENTATION = 274
_FIRST_TURNED = 5
"""From this orientation on, width and height change places."""


def open_image(file: Path) -> Image.Image:
    """Open an image; faulty or large texts of a PNG do no harm. Raises UnidentifiedImageError for what is none."""
    with file.open("rb") as source:
        is_png = source.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
    try:
        return Image.open(without_texts(file) if is_png else file)
    except (SyntaxError, EOFError, ValueError):
        raise UnidentifiedImageError from None


def size(image: Image.Image) -> tuple[int, int]:
    """Return the width and height that data/meta shows.

    Pillow has turned the size of a TIFF already, and CVAT turns it once more: such a TIFF is shown with the other size.
    """
    turned = image.getexif().get(_ORIENTATION, 1) >= _FIRST_TURNED
    return (image.height, image.width) if turned else (image.width, image.height)


def load(image: Image.Image) -> None:
    """Decode as much as the file holds."""
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError):
        if isinstance(image, ImageFile.ImageFile):
            image.tile = []


def to_rgb(image: Image.Image) -> Image.Image:
    """Turn a loaded image upright and convert it to 8 bits, as CVAT does."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "I" or upright.mode.startswith("I;16"):
        pixels = np.asarray(upright, dtype=np.float64)
        scaled = np.clip(pixels * (256 / max(1.0, float(pixels.max()))), 0, 255)
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    return upright.convert("RGB")
