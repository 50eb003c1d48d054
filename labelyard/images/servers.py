"""What each family of CVAT makes of an image, as far as its Pillow differs from ours.

Measured: the lines with which CVAT opens and converts an image were run on the Pillow that it pins (6.2.2 for 1.0.0,
12.3.0 for 2.73) with some 500 files. `tests/cases/images` keeps the telling ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labelyard.images.tiff import CMYK, COMPRESSIONS, LAB, PLANES, SAMPLE_FORMAT, UNCOMPRESSED, YCBCR, Page, Tiff
from labelyard.images.tiff import COMPRESSION as COMPRESSION_TAG

_SIGNED, _FLOAT = 2, 3
_SEPARATE = 2
_CCITT_TO_DEFLATE = {1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925}

_NEW_IN_13 = {(order, 1, (1,), 1, (8, 8), (extra,)) for order in ("II", "MM") for extra in (0, 1)}
_NEW_SINCE_6: set[tuple[Any, ...]] = {
    *_NEW_IN_13,
    ("II", 0, (1,), 1, (16,), ()),
    ("II", 1, (1,), 2, (16,), ()),
    ("MM", CMYK, (1,), 1, (16, 16, 16, 16), ()),
    *((order, 1, (_SIGNED,), 1, (8,), ()) for order in ("II", "MM")),
    *((order, 3, (1,), 1, (8, 8), (0,)) for order in ("II", "MM")),
    *((order, YCBCR, (1,), 1, (8,), ()) for order in ("II", "MM")),
}
"""Layouts of TIFF pixels (`Page.layout`) that a later Pillow opens."""


@dataclass(frozen=True)
class Server:
    """A family of CVAT: what its Pillow opens, and how CVAT shows it."""

    name: str
    formats: tuple[str, ...]
    """Formats in Pillow's names."""
    applies_exif: bool
    """Whether frames are turned as EXIF says. TIFFs are turned by every Pillow."""
    big_tiff: bool
    tiff_compressions: frozenset[int]
    unknown_layouts: frozenset[tuple[Any, ...]]
    shows_lab: bool
    decodes_separate_planes: bool
    """Whether compressed planes of a TIFF come out right."""
    swaps_signed_16: bool
    """Whether compressed big-endian signed 16-bit pixels are read in the wrong byte order."""
    lossless_jpeg: bool
    bmp_headers: frozenset[int]
    bmp_rle: bool
    bmp_masks: frozenset[tuple[int, int, int, int]] | None
    """The 32-bit layouts that it knows; None leaves it to our Pillow."""
    pnm_kinds: bytes
    """The second byte of each kind."""
    pnm_scales: bool
    """Whether a maximum below 255 is stretched to white, and 16-bit colours are read."""
    equalises: frozenset[str]
    """Pillow's modes of 16 bits that CVAT stretches and equalises."""
    clips: frozenset[str]
    """Pillow's modes whose values above 255 come out white."""
    png_mode_of_16_bits: str
    png_metadata: Mapping[bytes, Callable[[bytes], bool]] = field(default_factory=dict)
    """Chunk -> whether its content is sound; unsound content makes Pillow refuse the whole file."""


_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000")
_PNG_METADATA: dict[bytes, Callable[[bytes], bool]] = {
    b"cHRM": lambda content: len(content) % 4 == 0,
    b"gAMA": lambda content: len(content) >= 4,
    b"tRNS": lambda content: len(content) > 0,
    b"iCCP": lambda content: len(content) >= 3,
    b"zTXt": lambda content: content.partition(b"\0")[2][:1] in (b"", b"\0"),
}

V1 = Server(
    name="CVAT 1.x (Pillow 6.2)", formats=_FORMATS, applies_exif=False, big_tiff=False,
    tiff_compressions=frozenset(_CCITT_TO_DEFLATE), unknown_layouts=frozenset(_NEW_SINCE_6), shows_lab=False,
    decodes_separate_planes=False, swaps_signed_16=False, lossless_jpeg=False,
    bmp_headers=frozenset({12, 40, 64, 108, 124}), bmp_rle=False,
    bmp_masks=frozenset({
        (0xFF0000, 0xFF00, 0xFF, 0), (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0, 0, 0, 0), (0xFF000000, 0xFF0000, 0xFF00, 0),
    }),
    pnm_kinds=b"456", pnm_scales=False, equalises=frozenset(), clips=frozenset({"I;16", "I;16B", "F"}),
    png_mode_of_16_bits="I",
    png_metadata=_PNG_METADATA | {b"pHYs": lambda content: len(content) >= 9, b"sRGB": bool},
)  # fmt: skip
V2 = Server(
    name="CVAT 2.x (Pillow 12.3)", formats=(*_FORMATS, "AVIF"), applies_exif=True, big_tiff=True,
    tiff_compressions=frozenset({*_CCITT_TO_DEFLATE, 50000}), unknown_layouts=frozenset(_NEW_IN_13), shows_lab=True,
    decodes_separate_planes=True, swaps_signed_16=True, lossless_jpeg=True,
    bmp_headers=frozenset({12, 40, 52, 56, 64, 108, 124}), bmp_rle=True, bmp_masks=None,
    pnm_kinds=b"123456fF", pnm_scales=True, equalises=frozenset({"I;16"}), clips=frozenset({"I;16B", "F"}),
    png_mode_of_16_bits="I;16",
    png_metadata=_PNG_METADATA | {b"iCCP": lambda content: content.partition(b"\0")[2][:1] == b"\0"},
)  # fmt: skip
SERVERS = {"v1": V1, "v2": V2}
"""The families by the name of their dialect."""


def tiff_refusal(tiff: Tiff, server: Server) -> str | None:
    """Return why the server cannot show the first page of a TIFF as it is meant; None if our Pillow may decide."""
    if tiff.big and not server.big_tiff:
        return f"a BigTIFF: {server.name} cannot identify it"
    if not tiff.pages:
        return None
    page = tiff.pages[0]
    compression = page.get(COMPRESSION_TAG, UNCOMPRESSED)
    if compression not in server.tiff_compressions:
        name = COMPRESSIONS.get(compression, f"number {compression}")
        return f"a TIFF with {name} compression, which {server.name} cannot decode"
    if page.layout in server.unknown_layouts:
        return f"a TIFF with {describe(page)}, which {server.name} cannot identify"
    if page.layout[1] == LAB and not server.shows_lab:
        return f"a TIFF in CIE L*a*b*: {server.name} has no conversion to RGB"
    wrong = _wrong_pixels(page, compression, server)
    return f"a TIFF with {wrong}, of which {server.name} shows false pixels" if wrong else None


def _wrong_pixels(page: Page, compression: int, server: Server) -> str | None:
    order, photometric, (sample_format, *_), _, bits, _ = page.layout
    compressed = compression != UNCOMPRESSED
    if page.get(PLANES, 1) == _SEPARATE and len(bits) > 1:
        if compressed and not server.decodes_separate_planes:
            return "compressed separate planes"
        if not compressed and 16 in bits:
            return "separate planes of 16 bits"
    if photometric == YCBCR and not compressed and len(bits) == 3:
        return "uncompressed YCbCr"
    if order == "MM" and compressed and (
        (bits[0] == 32 and sample_format in (_SIGNED, _FLOAT))
        or (bits[0] == 16 and sample_format == _SIGNED and server.swaps_signed_16)
    ):  # fmt: skip
        return f"compressed big-endian numbers of {bits[0]} bits"
    return None


def describe(page: Page) -> str:
    """Return the layout of a page's pixels for people."""
    _, photometric, sample_format, _, bits, extra = page.layout
    kinds = {1: "unsigned", _SIGNED: "signed", _FLOAT: "float"}
    names = {0: "white-is-zero grey", 1: "grey", 2: "RGB", 3: "a palette", CMYK: "CMYK", YCBCR: "YCbCr", LAB: "L*a*b*"}
    more = f", {len(extra)} extra samples" if extra else ""
    kind = kinds.get(page.get(SAMPLE_FORMAT, sample_format[0]), "unusual")
    return f"{names.get(photometric, f'photometric {photometric}')} of {bits[0]} {kind} bits{more}"


def bmp_refusal(head: bytes, server: Server) -> str | None:
    """Return why the server refuses a BMP; `head` is its first 128 bytes."""
    if len(head) < 34:
        return None
    (size,) = struct.unpack_from("<I", head, 14)
    if size not in server.bmp_headers:
        return f"a BMP with a header of {size} bytes, which {server.name} does not know"
    if size == 12:
        return None
    bits, compression = struct.unpack_from("<HI", head, 28)
    if compression in (1, 2) and not server.bmp_rle:
        return f"a run-length encoded BMP, which {server.name} cannot decode"
    if compression == 3 and bits == 32 and server.bmp_masks is not None and len(head) >= 70:
        masks = struct.unpack_from("<4I", head, 54)
        if (*masks[:3], masks[3] if size >= 56 else 0) not in server.bmp_masks:
            return f"a BMP with unusual masks of its colours, which {server.name} does not know"
    return None


def pnm_refusal(head: bytes, server: Server) -> str | None:
    """Return why the server refuses a PBM, PGM, PPM or PFM."""
    if head[1:2] not in [bytes((kind,)) for kind in server.pnm_kinds]:
        return f"a portable anymap of kind {head[:2].decode('latin-1')}, which {server.name} cannot identify"
    if head[:2] == b"P6" and not server.pnm_scales and pnm_maximum(head) > 255:
        return f"a PPM of more than 8 bits, which {server.name} cannot read"
    return None


def pnm_maximum(head: bytes) -> int:
    """Return the value of white in a PGM or PPM; 255 if it cannot be read."""
    words = b" ".join(line.partition(b"#")[0] for line in head.splitlines()).split()
    return int(words[3]) if len(words) > 3 and words[3].isdigit() else 255
