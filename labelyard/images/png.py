"""A PNG reduced to its pixels: CVAT skips checksums and oversized texts of metadata, which our Pillow refuses."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from labelyard.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_MAX_TEXT, _MAX_TEXTS = 2**20, 64 * 2**20
"""Pillow's limits for one text, which CVAT then skips, and for all of them, beyond which it refuses the file."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_SLICE = 2**20
_LAST_FILTER = 4
_GREY = 0
_HEADER = struct.Struct(">IIBBBBB")


@dataclass
class Png:
    """A PNG that was read to its end: its pixels are complete, and `pixels` holds nothing else but EXIF and XMP."""

    pixels: BytesIO
    metadata: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Name and content of its other chunks."""
    frames: int = 1
    ended: bool = False


def needs_decoding(header: bytes) -> bool:
    """Whether its pixels must be decoded to know what CVAT shows: transparent, of 16 bits grey, or interlaced."""
    _, _, depth, colour, _, _, interlaced = _HEADER.unpack(header[:13])
    return bool(interlaced) or colour > _PALETTE or (colour == _GREY and depth > 8)


def read_png(file: BinaryIO) -> Png:
    """Check every checksum that guards pixels, and that all pixels are there.

    Raises ImageError for a damaged or truncated PNG. Pillow would fill missing rows without a word.
    """
    file.seek(len(SIGNATURE))
    found, data, names = Png(BytesIO(SIGNATURE)), None, set[bytes]()
    found.pixels.seek(len(SIGNATURE))
    for name, content, checksum in _chunks(file):
        names.add(name)
        critical = not name[0] & 0x20
        if critical and name != b"IEND" and zlib.crc32(content, zlib.crc32(name)) != checksum:
            raise ImageError(f"a damaged PNG: wrong checksum in its {name.decode('latin-1')} chunk")
        if name == b"IHDR" and data is None:
            data = _Rows(content)
        elif name == b"IDAT" and data is not None:
            data.add(content)
        elif name == b"acTL" and len(content) >= 4:
            found.frames = max(1, int.from_bytes(content[:4]))
        elif name == b"IEND":
            found.ended = True
        _keep(found, name, content, checksum if critical else zlib.crc32(name + content))
    if data is None:
        raise ImageError("a broken PNG: it has no header chunk")
    data.require_complete()
    if data.needs_palette and b"PLTE" not in names:
        raise ImageError("a broken PNG: it has no palette, and CVAT would show it black")
    if not found.ended:
        _keep(found, b"IEND", b"", zlib.crc32(b"IEND"))
    found.pixels.seek(0)
    return found


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes, int]]:
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        content, checksum = file.read(length), file.read(4)
        if len(content) < length:
            raise ImageError(f"a truncated PNG: its {name.decode('latin-1')} chunk ends early")
        yield name, content, int.from_bytes(checksum)
        if name == b"IEND":
            return


def _keep(found: Png, name: bytes, content: bytes, checksum: int) -> None:
    is_orientation = name == b"eXIf" or (name == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\0\0"))
    if name in _PIXEL_CHUNKS or is_orientation:
        found.pixels.write(struct.pack(">I4s", len(content), name))
        found.pixels.write(content)
        found.pixels.write(checksum.to_bytes(4))
    if name not in _PIXEL_CHUNKS or name == b"tRNS":
        found.metadata.append((name, content))


class _Rows:
    """The rows of pixels in IDAT chunks, counted while they are inflated."""

    def __init__(self, header: bytes) -> None:
        if len(header) < 13:
            raise ImageError("a broken PNG: its header chunk is too short")
        self._width, self._height, depth, colour, _, _, interlaced = _HEADER.unpack(header[:13])
        self.needs_palette = colour == _PALETTE
        self._bits = depth * _CHANNELS.get(colour, 1)
        passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
        self._missing = self._size = sum(self._pass_size(*one) for one in passes)
        self._row = 0 if interlaced else self._size // max(1, self._height)
        self._inflate = zlib.decompressobj()

    def _pass_size(self, x: int, y: int, dx: int, dy: int) -> int:
        columns, rows = -(-(self._width - x) // dx), -(-(self._height - y) // dy)
        return rows * (1 + (columns * self._bits + 7) // 8) if columns > 0 and rows > 0 else 0

    def add(self, content: bytes) -> None:
        """Inflate one chunk. Raises ImageError for damaged data."""
        try:
            while content and not self._inflate.eof:
                rows = self._inflate.decompress(content, _SLICE)[: self._missing]
                self._check_filters(rows)
                self._missing -= len(rows)
                content = self._inflate.unconsumed_tail
        except zlib.error as error:
            raise ImageError(f"a damaged PNG: its pixels cannot be decompressed ({error})") from None

    def _check_filters(self, rows: bytes) -> None:
        """Check the first byte of each row; with that, a PNG need not be decoded to know that it can be."""
        if self._row:
            filters = rows[-(self._size - self._missing) % self._row :: self._row]
            if filters and max(filters) > _LAST_FILTER:
                raise ImageError("a damaged PNG: its rows of pixels are not where they should be")

    def require_complete(self) -> None:
        """Raise ImageError if rows are missing."""
        if self._missing > 0:
            raise ImageError("a truncated PNG: some of its pixels are missing")


def oversized_texts(png: Png) -> bool:
    """Return whether all texts together are more than Pillow reads. A text over its own limit is skipped."""
    sizes = (_text_size(name, content) for name, content in png.metadata if name in _TEXTS)
    return sum(size for size in sizes if size <= _MAX_TEXT) > _MAX_TEXTS


def _text_size(name: bytes, content: bytes) -> int:
    value = content.partition(b"\0")[2]
    if name == b"tEXt":
        return len(value)
    if name == b"iTXt":
        compressed, value = value[:1] == b"\1", value[2:].partition(b"\0")[2].partition(b"\0")[2]
        if not compressed:
            return len(value)
    try:
        return len(zlib.decompressobj().decompress(value if name == b"iTXt" else value[1:], _MAX_TEXT + 1))
    except zlib.error:
        return 0
