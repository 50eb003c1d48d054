"""Inspection of images before CVAT receives them.

In CVAT one broken image fails a whole task, and a truncated JPEG passes unnoticed. A file's name does not matter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from labelyard.errors import ImageError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
"""Accepted formats. Pillow opens more, and some of them run other programs (EPS)."""
MAX_PIXELS = 178_956_970
"""Width times height; Pillow, and so CVAT, treats more as a decompression bomb."""
_HASH_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The properties of an image that decodes completely.

    `width` and `height` are pixels as stored. `exif_orientation` (1 to 8) is how viewers rotate them; 1 is upright.
    """

    width: int
    height: int
    format: str
    exif_orientation: int
    sha256: str
    mime: str


def inspect_image(source: Path | BinaryIO) -> ImageFacts:
    """Decode the whole image and return its properties.

    Raises ImageError with the reason: empty, no image, truncated, too large, several frames.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return _inspect(file)
    return _inspect(source)


def _inspect(file: BinaryIO) -> ImageFacts:
    sha256, size = _digest(file)
    if not size:
        raise ImageError("the file is empty")
    image = _open(file, size)
    width, height = image.size
    if not 0 < width * height <= MAX_PIXELS:
        raise ImageError(f"{width} x {height} pixels are more than the {MAX_PIXELS} that CVAT accepts")
    kind = image.format or ""
    # An MPO is a JPEG followed by previews, as many cameras write it; every reader treats it as a JPEG.
    kind = "JPEG" if kind == "MPO" else kind
    if kind != "JPEG":
        _require_one_frame(image, kind)
    orientation = _orientation(image)
    _decode(image, kind)
    _verify(file, size, kind)
    return ImageFacts(width, height, kind, orientation, sha256, Image.MIME.get(kind, "application/octet-stream"))


def _digest(file: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(_HASH_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _open(file: BinaryIO, size: int) -> Image.Image:
    try:
        file.seek(0)
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(f"no image: {size} bytes of no known format ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"more than the {MAX_PIXELS} pixels that CVAT accepts: {error}") from None
    except Exception as error:  # noqa: BLE001 - Pillow's readers raise anything on a crafted file
        raise ImageError(f"no readable image: {_line(error)}") from None


def _require_one_frame(image: Image.Image, kind: str) -> None:
    try:
        frames = getattr(image, "n_frames", 1)
    except Exception as error:  # noqa: BLE001 - as above
        raise ImageError(f"a broken or truncated {kind}: {_line(error)}") from None
    if frames > 1:
        raise ImageError(f"{kind} with {frames} frames: CVAT would show only the first")


def _decode(image: Image.Image, kind: str) -> None:
    width, height = image.size
    # At an eighth of its size a JPEG is still read to its last byte, in less than half the time.
    image.draft("L", (max(1, width // 8), max(1, height // 8)))
    try:
        image.load()
    except Exception as error:  # noqa: BLE001 - as above
        raise ImageError(f"a broken or truncated {kind}: {_line(error)}") from None


def _verify(file: BinaryIO, size: int, kind: str) -> None:
    """Check the checksums and the end of a PNG, which decoding does not need."""
    try:
        _open(file, size).verify()
    except Exception as error:  # noqa: BLE001 - as above
        raise ImageError(f"a broken or truncated {kind}: {_line(error)}") from None


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - broken EXIF affects no pixel; viewers show such an image as stored
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
