"""What Pillow 6.2, the one of CVAT 1.0.0, makes of images that later versions read: it refuses them, or shows less.

The texts are those of the real server. CVAT loads truncated images and skips faulty metadata; Pillow's own switch for
that is global to the process, so it is not used.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_LATER_FORMATS = {"AVIF", "QOI"}
_BIG_TIFF = 43
_UNCOMPRESSED, _LATER_COMPRESSIONS = 1, {50000, 50001}
_BMP_HEADERS = {12, 40, 64, 108, 124}
_COMPRESSION, _PHOTOMETRIC, _BITS, _SAMPLE_FORMAT, _EXTRA = 259, 262, 258, 339, 338
_LATER_LAYOUTS = {
    (0, (1,), (16,), ()), (1, (2,), (8,), ()), (1, (1,), (8, 8), (0,)), (1, (1,), (8, 8), (1,)),
    (3, (1,), (8, 8), (0,)), (6, (1,), (8,), ()),
}  # fmt: skip
_CMYK_16 = (5, (1,), (16, 16, 16, 16), ())
"""Photometric, sample format, bits and extra samples of TIFFs that only later versions identify."""


def open_image(file: Path) -> Image.Image:
    """Open an image. Raises what Pillow 6.2 raises; UnidentifiedImageError for what it does not know."""
    with file.open("rb") as source:
        head = source.read(34)
    _refuse_by_head(head)
    try:
        image = Image.open(without_texts(file) if head.startswith(PNG_SIGNATURE) else file)
    except ValueError:  # malformed metadata
        raise UnidentifiedImageError from None
    layout = _layout(image) if image.format == "TIFF" else None
    if image.format in _LATER_FORMATS or layout in _LATER_LAYOUTS or (head[:2] == b"MM" and layout == _CMYK_16):
        raise UnidentifiedImageError
    return image


def load(image: Image.Image) -> None:
    """Decode as much as the file holds. Raises OSError for what libtiff cannot decompress."""
    compression = getattr(image, "tag_v2", {}).get(_COMPRESSION, _UNCOMPRESSED)
    if compression in _LATER_COMPRESSIONS:
        raise OSError("-2")
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError):
        if compression != _UNCOMPRESSED:
            raise OSError("-2") from None
        if isinstance(image, ImageFile.ImageFile):
            image.tile = []


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image as CVAT 1.0.0 does. Raises ValueError where Pillow 6.2 has no conversion."""
    if image.mode == "LAB":
        raise ValueError("conversion from LAB to RGB not supported")
    if image.mode == "I" or (image.mode == "I;16" and image.format == "PNG"):
        pixels = np.asarray(image, dtype=np.float64)
        return _grey(pixels * (256 / max(1.0, float(pixels.max()))))
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image))
    return image.convert("RGB")


def _grey(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB")


def _refuse_by_head(head: bytes) -> None:
    if head[:2] in (b"II", b"MM") and _BIG_TIFF in head[2:4]:
        raise UnidentifiedImageError
    if head[:1] == b"P" and head[1:2] in (b"1", b"2", b"3", b"f", b"F") and head[2:3].isspace():
        raise UnidentifiedImageError
    if head.startswith(b"P6") and (words := head.split())[3:] and words[3].isdigit() and int(words[3]) > 255:
        raise ValueError(f"Too many colors for band: {int(words[3])}")
    if head.startswith(b"BM") and len(head) == 34:
        size, _, compression = struct.unpack("<I12sI", head[14:])
        if size not in _BMP_HEADERS:
            raise OSError(f"Unsupported BMP header type ({size})")
        if size > 12 and compression in (1, 2):
            raise OSError(f"Unsupported BMP compression ({compression})")


def _layout(image: Image.Image) -> tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    tags = getattr(image, "tag_v2", {})
    sample_format = tags.get(_SAMPLE_FORMAT, (1,))
    sample_format = (1,) if set(sample_format) == {1} else tuple(sample_format)
    return tags.get(_PHOTOMETRIC, 0), sample_format, tuple(tags.get(_BITS, (1,))), tuple(tags.get(_EXTRA, ()))


def without_texts(file: Path) -> IO[bytes]:
    """Return a PNG without texts and with the right checksum on its other metadata; as it is if it is no sound PNG."""
    content, kept, position = file.read_bytes(), [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while len(head := content[position : position + 8]) == 8:
        length, name = struct.unpack(">I4s", head)
        chunk = content[position : position + length + 12]
        position += len(chunk)
        if name[0] & 0x20 and len(chunk) == length + 12:
            chunk = chunk[:-4] + zlib.crc32(chunk[4:-4]).to_bytes(4)
        if name not in _PNG_TEXTS:
            kept.append(chunk)
    return io.BytesIO(b"".join(kept))
