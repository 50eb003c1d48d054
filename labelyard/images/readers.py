"""One reader for each kind of file: what decides whether CVAT shows it, and a decode that finds damage."""

from __future__ import annotations

import struct
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from labelyard.errors import ImageError
from labelyard.images.appearance import pixel_warnings
from labelyard.images.decoder_memory import DecoderMemory
from labelyard.images.findings import MAX_PIXELS, Findings, first_line, stated_orientation
from labelyard.images.jpeg import LOSSLESS, check_jpeg, read_structure
from labelyard.images.png import SIGNATURE, needs_decoding, oversized_texts, read_png
from labelyard.images.servers import Server, bmp_refusal, describe, pnm_maximum, pnm_refusal, tiff_refusal
from labelyard.images.tiff import BITS, HEIGHT, ORIENTATION, SAMPLE_FORMAT, WIDTH, Page, Tiff, read_tiff

_HEAD = 128
_JPEG = b"\xff\xd8\xff"
_FOREIGN = {b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL ": "JPEG XL", b"II\xbc": "JPEG XR"}
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF",
           b"avis": "AVIF"}  # fmt: skip
_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
"""Bytes of a pixel in Pillow's memory, by mode; 4 in any other."""
_COPIES = {"WEBP": 4, "AVIF": 4, "JPEG2000": 5, "TIFF": 2, "GIF": 2}
"""How many times as much a decoder uses while it works (measured)."""


def examine(file: BinaryIO, size: int, server: Server, memory: DecoderMemory, found: Findings) -> None:
    """Read a whole file and fill in `found`. Raises ImageError with the reason for a quarantine."""
    if not size:
        raise ImageError("the file is empty")
    file.seek(0)
    head = file.read(_HEAD)
    if head.startswith(SIGNATURE):
        _examine_png(file, head, size, server, memory, found)
    elif head.startswith(_JPEG):
        _examine_jpeg(file, size, server, memory, found)
    else:
        _examine_other(file, head, size, server, memory, found)


def _examine_png(
    file: BinaryIO, head: bytes, size: int, server: Server, memory: DecoderMemory, found: Findings
) -> None:
    found.format = "PNG"
    if len(head) < 33:
        raise ImageError("a truncated PNG: its header ends early")
    width, height = struct.unpack_from(">II", head, 16)
    found.set_size(width, height)
    decoded = needs_decoding(head[16:])
    with memory.reserve(3 * size + (5 * width * height if decoded else 0)):
        png = read_png(file)
        if png.frames > 1:
            raise ImageError(f"PNG with {png.frames} frames: CVAT would show only the first")
        for name, content in png.metadata:
            if name in server.png_metadata and not server.png_metadata[name](content):
                raise ImageError(f"a PNG whose {name.decode()} chunk is malformed: {server.name} refuses such a file")
        if oversized_texts(png):
            raise ImageError(f"a PNG with more than 64 MiB of texts: {server.name} refuses such a file")
        image = _open(png.pixels, size, ("PNG",))
        found.turn(stated_orientation(image, server), server)
        if decoded:
            _decode(image, "PNG")
        mode = server.png_mode_of_16_bits if image.mode == "I;16" else image.mode
        found.warnings += pixel_warnings(image, mode, server)
    if not png.ended:
        found.warnings.append("only the end chunk of the PNG is missing: CVAT shows the whole picture")


def _examine_jpeg(file: BinaryIO, size: int, server: Server, memory: DecoderMemory, found: Findings) -> None:
    image = _open(file, size, ("JPEG",))
    found.format = "JPEG"  # also for an MPO: a JPEG followed by previews, as many cameras write it
    found.set_size(*image.size)
    found.turn(stated_orientation(image, server), server)
    found.warnings += pixel_warnings(image, image.mode, server)
    with memory.reserve(3 * size + _jpeg_bytes(image)):
        file.seek(0)
        structure = read_structure(file.read())
        if structure.frame in LOSSLESS and not server.lossless_jpeg:
            raise ImageError(f"a lossless JPEG, which {server.name} shows black")
        warning = check_jpeg(structure)
    if warning:
        found.warnings.append(warning)


def _jpeg_bytes(image: Image.Image) -> int:
    """Return what its decoder needs: all coefficients of a progressive one, or little at an eighth of the size."""
    pixels = image.width * image.height
    return pixels * 2 * len(image.getbands()) if "progressive" in image.info else pixels // 8


def _examine_other(
    file: BinaryIO, head: bytes, size: int, server: Server, memory: DecoderMemory, found: Findings
) -> None:
    _refuse_by_head(head, server)
    tiff = read_tiff(file)
    if tiff:
        found.format = "TIFF"
        if tiff.pages:
            found.set_size(tiff.pages[0].get(WIDTH, 1), tiff.pages[0].get(HEIGHT, 1))
        _refuse_tiff(tiff, server)
    image = _open(file, size, server.formats, tiff)
    kind = found.format = image.format or ""
    found.set_size(*image.size)
    if not tiff:
        _require_one_frame(image, kind)
    stated = tiff.pages[0].get(ORIENTATION, 1) if tiff and tiff.pages else stated_orientation(image, server)
    pixels = image.width * image.height
    with memory.reserve(pixels * _BYTES.get(image.mode, 4) * _COPIES.get(kind, 1)):
        _decode(image, kind)
        found.size = image.size
        found.warnings += pixel_warnings(image, image.mode, server)
    if tiff:  # Pillow has turned it as it decoded it, on every server
        found.warn_of_meta(stated, server)
        found.warnings += _signed_bytes(tiff.pages[0]) if tiff.pages else []
    else:
        found.turn(stated, server)
    if kind == "PPM" and not server.pnm_scales and pnm_maximum(head) < 255:
        found.warnings.append(f"white is {pnm_maximum(head)} in this file: CVAT shows it darker, as if 255 were white")


def _refuse_by_head(head: bytes, server: Server) -> None:
    name = next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), None)
    if head[4:8] == b"ftyp":
        name = _BRANDS.get(head[8:12])
    if name and name not in server.formats:
        raise ImageError(f"{name}, which {server.name} cannot open")
    refusal = None
    if head.startswith(b"BM"):
        refusal = bmp_refusal(head, server)
    elif head[:1] == b"P" and head[1:2] in [bytes((kind,)) for kind in b"1234567fF"] and head[2:3].isspace():
        refusal = pnm_refusal(head, server)
    if refusal:
        raise ImageError(refusal)


def _refuse_tiff(tiff: Tiff, server: Server) -> None:
    if tiff.pages and not tiff.pages[0].is_picture and any(page.is_picture for page in tiff.pages):
        raise ImageError("a TIFF whose first page is an overview or a mask: CVAT would show only that")
    pictures = sum(page.is_picture for page in tiff.pages[1:])
    if pictures:
        raise ImageError(f"TIFF with {pictures + 1} frames: CVAT would show only the first")
    refusal = tiff_refusal(tiff, server)
    if refusal:
        raise ImageError(refusal)


def _signed_bytes(page: Page) -> list[str]:
    if (page.get(SAMPLE_FORMAT, 1), page.get(BITS, 1)) != (2, 8):
        return []
    return ["signed 8 bits: CVAT shows them as unsigned, so negative values are brighter than positive ones"]


def _open(file: BinaryIO, size: int, formats: tuple[str, ...], tiff: Tiff | None = None) -> Image.Image:
    try:
        file.seek(0)
        return Image.open(file, formats=formats)
    except UnidentifiedImageError:
        if tiff and tiff.pages:
            raise ImageError(f"a TIFF that CVAT's Pillow cannot identify: {describe(tiff.pages[0])}") from None
        raise ImageError(f"no image: {size} bytes of no known format ({', '.join(formats)})") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"more than the {MAX_PIXELS} pixels that CVAT accepts: {error}") from None
    except Exception as error:  # noqa: BLE001 - Pillow's readers raise anything on a crafted file
        raise ImageError(f"no readable image: {first_line(error)}") from None


def _require_one_frame(image: Image.Image, kind: str) -> None:
    try:
        frames = getattr(image, "n_frames", 1)
    except Exception as error:  # noqa: BLE001 - as above
        raise ImageError(f"a broken or truncated {kind}: {first_line(error)}") from None
    if frames > 1:
        raise ImageError(f"{kind} with {frames} frames: CVAT would show only the first")


def _decode(image: Image.Image, kind: str) -> None:
    try:
        image.load()
    except Exception as error:  # noqa: BLE001 - as above
        raise ImageError(f"a broken or truncated {kind}: {first_line(error)}") from None
