"""Image files with chosen properties: TIFFs tag by tag, PNGs chunk by chunk."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from labelyard.images import SERVERS, Inspection, inspect_image

WIDTH, HEIGHT = 16, 12


def inspect_bytes(content: bytes, dialect: str = "v1") -> Inspection:
    """Inspect a file with this content."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return inspect_image(Path(file.name), SERVERS[dialect])


def picture(kind: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    gradient = Image.linear_gradient("L").resize(size).convert(mode)
    file = io.BytesIO()
    gradient.save(file, kind, **options)
    return file.getvalue()


def tiff(
    *pages: Mapping[int, Sequence[int]], order: str = "<", big: bool = False, compress: Any = None, sample: int = 1
) -> bytes:
    """A TIFF of `sample` bytes per sample; each page's tags are added to those of a grey picture of 16 x 12."""
    offset, number = ("Q", 16) if big else ("I", 4)
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42))
    out += struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8)
    for page in pages or ({},):
        tags = {256: [WIDTH], 257: [HEIGHT], 258: [8 * sample], 259: [1], 262: [1], 277: [1], 278: [HEIGHT], **page}
        strip = bytes(n % 251 for n in range(WIDTH * HEIGHT * sample * tags[277][0]))
        strip = compress(strip) if compress else strip
        planes = tags[277][0] if tags.get(284) == [2] else 1
        tags |= {273: [0] * planes, 279: [len(strip) // planes] * planes}
        entry, start = (20, len(out) + 8) if big else (12, len(out) + 2)
        data = start + len(tags) * entry + (8 if big else 4)
        first_strip = data + sum(len(v) * struct.calcsize(offset) for v in tags.values() if len(v) > 1)
        tags[273] = [first_strip + n * (len(strip) // planes) for n in range(planes)]
        out += struct.pack(order + ("Q" if big else "H"), len(tags))
        extra = bytearray()
        for tag, values in sorted(tags.items()):
            packed = struct.pack(f"{order}{len(values)}{offset}", *values)
            if len(values) > 1:
                where = data + len(extra)
                extra += packed
                packed = struct.pack(order + offset, where)
            out += struct.pack(order + ("HHQ" if big else "HHI"), tag, number, len(values)) + packed
        is_last = page is (pages or ({},))[-1]
        after = first_strip + len(strip)
        out += struct.pack(order + offset, 0 if is_last else after + after % 2) + extra + strip
        out += b"\0" * (after % 2)
    return bytes(out)


def chunk(name: bytes, data: bytes, *, wrong: bool = False) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ wrong)


def png(*extra: bytes, width: int = WIDTH, height: int = HEIGHT, rows: bytes | None = None, end: bool = True) -> bytes:
    """A grey PNG with more chunks before its pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = zlib.compress(bytes((width + 1) * height)) if rows is None else rows
    ending = chunk(b"IEND", b"") if end else b""
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", pixels) + ending
