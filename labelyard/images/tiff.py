"""The tags of a TIFF's pages: what decides how CVAT's Pillow reads it. Pixels are not read."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
FILL_ORDER, ORIENTATION, PLANES, EXTRA_SAMPLES, SAMPLE_FORMAT = 266, 274, 284, 338, 339
_TAGS = {
    SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, ORIENTATION, PLANES,
    EXTRA_SAMPLES, SAMPLE_FORMAT,
}  # fmt: skip

RGB, CMYK, YCBCR, LAB = 2, 5, 6, 8
"""Values of PHOTOMETRIC."""
UNCOMPRESSED = 1
COMPRESSIONS = {
    1: "no", 2: "CCITT", 3: "CCITT Group 3", 4: "CCITT Group 4", 5: "LZW", 6: "old-style JPEG", 7: "JPEG",
    8: "Deflate", 32771: "word-aligned", 32773: "PackBits", 32809: "ThunderScan", 32946: "Deflate", 34676: "SGI log",
    34677: "SGI log 24", 34712: "JPEG 2000", 33003: "JPEG 2000", 33005: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG",
    34925: "LZMA", 34933: "PNG", 34934: "JPEG XR", 22610: "JPEG XR", 50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL",
    52546: "JPEG XL",
}  # fmt: skip
"""Values of COMPRESSION."""

_FORMATS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Field types that hold whole numbers."""
_REDUCED, _MASK = 1, 4
_MAX_VALUES = 64
_MAX_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """One image file directory; `byte_order` is II or MM as in the file."""

    byte_order: str
    tags: Mapping[int, tuple[int, ...]]

    def get(self, tag: int, default: int) -> int:
        """Return the tag's first value."""
        return (self.tags.get(tag) or (default,))[0]

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture of its own: no reduced overview and no mask."""
        kind = self.get(SUBFILE_TYPE, 0)
        return not kind & (_REDUCED | _MASK) and self.get(OLD_SUBFILE_TYPE, 1) != 2

    @property
    def layout(self) -> tuple[str, int, tuple[int, ...], int, tuple[int, ...], tuple[int, ...]]:
        """Its pixels as Pillow looks them up: byte order, photometric, sample format, fill order, bits, extra."""
        photometric = YCBCR if self.get(COMPRESSION, UNCOMPRESSED) == 6 else self.get(PHOTOMETRIC, 0)
        sample_format = self.tags.get(SAMPLE_FORMAT, (1,))
        extra = self.tags.get(EXTRA_SAMPLES, ())
        samples = {RGB: 3, YCBCR: 3, LAB: 3, CMYK: 4}.get(photometric, 1) + len(extra)
        bits = self.tags.get(BITS, (1,))
        return (
            self.byte_order,
            photometric,
            (1,) if set(sample_format) == {1} else sample_format,
            self.get(FILL_ORDER, 1),
            bits * samples if len(bits) == 1 else bits,
            extra,
        )


@dataclass(frozen=True, slots=True)
class Tiff:
    """A TIFF's pages in their order, as far as they can be read. Overviews in sub-directories are not among them."""

    big: bool
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a directory has its parts: classic TIFF counts in 2 and 4 bytes, BigTIFF in 8."""

    order: str
    big: bool

    def unpack(self, file: BinaryIO, classic: str, big: str) -> tuple[int, ...]:
        form = self.order + (big if self.big else classic)
        return struct.unpack(form, file.read(struct.calcsize(form)))


def read_tiff(file: BinaryIO) -> Tiff | None:
    """Return the pages of a TIFF; None if the file is no TIFF."""
    file.seek(0)
    magic = file.read(4)
    if magic[:2] not in (b"II", b"MM") or not {42, 43} & set(magic[2:]):
        return None
    layout = _Layout("<" if magic[:2] == b"II" else ">", 43 in magic[2:])
    if layout.big:
        file.seek(8)
    pages: list[Page] = []
    # A directory after the first is not CVAT's concern; without the first, Pillow says what is wrong.
    with suppress(struct.error, OverflowError, OSError):
        pages.extend(_pages(file, layout))
    return Tiff(layout.big, tuple(pages))


def _pages(file: BinaryIO, layout: _Layout) -> Iterator[Page]:
    seen = {0}
    (offset,) = layout.unpack(file, "I", "Q")
    while offset not in seen and len(seen) < _MAX_PAGES:
        seen.add(offset)
        file.seek(offset)
        tags, after = _tags(file, layout)
        yield Page("II" if layout.order == "<" else "MM", tags)
        file.seek(after)
        (offset,) = layout.unpack(file, "I", "Q")


def _tags(file: BinaryIO, layout: _Layout) -> tuple[dict[int, tuple[int, ...]], int]:
    """Return the tags of the directory at the file's position, and where the offset of the next one is."""
    (count,) = layout.unpack(file, "H", "Q")
    if count > 0xFFFF:
        raise struct.error
    start, size, tags = file.tell(), 20 if layout.big else 12, {}
    for number in range(count):
        file.seek(start + number * size)
        tag, kind, length = layout.unpack(file, "HHI", "HHQ")
        if tag in _TAGS and kind in _FORMATS and 0 < length <= _MAX_VALUES:
            tags[tag] = _values(file, layout, f"{length}{_FORMATS[kind]}")
    return tags, start + count * size


def _values(file: BinaryIO, layout: _Layout, form: str) -> tuple[int, ...]:
    form = layout.order + form
    if struct.calcsize(form) > (8 if layout.big else 4):
        file.seek(*layout.unpack(file, "I", "Q"))
    return struct.unpack(form, file.read(struct.calcsize(form)))
