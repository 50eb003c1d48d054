"""Damage in a JPEG: libjpeg replaces what it cannot decode and only warns, and Pillow drops the warning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import simplejpeg

from labelyard.errors import ImageError

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_END_OF_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_STANDALONE = {0x01, 0xD8, *range(0xD0, 0xD8)}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_COMMENTS = {0xFE, *range(0xE0, 0xF0)}
_ZERO_RUN = bytes(32)
"""As many zeros are a hole, if the decoder complains too; alone they can be a flat area."""
_DCT_COEFFICIENTS = 64
_EOB = 0


@dataclass
class Structure:
    """A JPEG's parts: `lean` is the file without comments, application data and junk between its segments."""

    frame: int = 0
    """The marker of its frame, which names the coding."""
    samples: int = 1
    """Its number of components."""
    ended: bool = False
    """Whether it has its end marker."""
    lean: bytes = b""
    has_zeros: bool = False
    """Whether a run of zeros is in a scan, where it can be a flat area, or between two segments."""
    has_false_zeros: bool = False
    """Whether a scan holds a run of zeros that no encoder writes, but that the decoder takes for pixels."""
    _first_symbols: dict[int, int] = field(default_factory=dict)
    """Huffman table of AC coefficients -> the symbol whose code is all zeros."""
    _missing: dict[int, set[int]] = field(default_factory=dict)
    """Component -> coefficients of which not all bits have come."""

    @property
    def is_complete(self) -> bool:
        """Whether its scans hold every coefficient of every component in full."""
        return bool(self._missing) and not any(self._missing.values())

    def add_frame(self, marker: int, segment: bytes) -> None:
        """Take the components from a frame header."""
        self.frame, self.samples = marker, max(1, segment[7]) if len(segment) > 7 else 1
        wanted = _DCT_COEFFICIENTS if marker in PROGRESSIVE else 1
        self._missing = {identity: set(range(wanted)) for identity in segment[8 : 8 + 3 * self.samples : 3]}

    def add_scan(self, segment: bytes, data: bytes) -> None:
        """Mark what a scan header announces as present, unless further bits of it follow."""
        count = segment[2] if len(segment) > 2 else 0
        first, last, bits = (segment[3 + 2 * count : 6 + 2 * count] + bytes(3))[:3]
        if self.frame not in PROGRESSIVE:
            first, last, bits = 0, 0, 0
        zeros = _ZERO_RUN in data
        self.has_zeros |= zeros
        self.has_false_zeros |= zeros and (first > 0 or self._is_detailed(segment[4 : 4 + 2 * count : 2]))
        if not bits & 0x0F:
            for identity in segment[3 : 3 + 2 * count : 2]:
                self._missing.get(identity, set()).difference_update(range(first, last + 1))

    def _is_detailed(self, tables: bytes) -> bool:
        """Whether zeros in a sequential scan are details, and so no flat area: a code of zeros must end a block."""
        return self.frame not in PROGRESSIVE and any(
            self._first_symbols.get(one & 0x0F, _EOB) != _EOB for one in tables
        )

    def add_huffman_tables(self, segment: bytes) -> None:
        """Take the first symbol of each table of AC coefficients."""
        position = 2
        while position + 17 < len(segment):
            kind, counts = segment[position], segment[position + 1 : position + 17]
            if kind & 0x10:
                self._first_symbols[kind & 0x0F] = segment[position + 17]
            position += 17 + sum(counts)


def read_structure(content: bytes) -> Structure:
    """Return the parts of a JPEG as far as they can be told apart."""
    found = Structure()
    found.lean = b"".join([_SOI, *_segments(content, found)])
    return found


def _segments(content: bytes, found: Structure) -> Iterator[bytes]:
    position = len(_SOI)
    while marker := _MARKER.search(content, position):
        found.has_zeros |= _ZERO_RUN in content[position : marker.start()]
        code, position = marker[1][0], marker.end()
        if code == _EOI[1]:
            found.ended = True
            return
        if code in _STANDALONE:
            continue
        segment = content[position : position + int.from_bytes(content[position : position + 2])]
        position += max(2, len(segment))
        if code in _FRAMES:
            found.add_frame(code, segment)
        if code == 0xC4:
            found.add_huffman_tables(segment)
        if code not in _COMMENTS:
            yield bytes((0xFF, code)) + segment
        if code == 0xDA:
            end = _END_OF_SCAN.search(content, position)
            data = content[position : end.start() if end else len(content)]
            position += len(data)
            found.add_scan(segment, data)
            yield data


def check_jpeg(structure: Structure) -> str | None:
    """Decode a JPEG strictly and return a warning for people, if any. Raises ImageError if it is damaged.

    Decoded at an eighth of its size, it is still read to its last bit.
    """
    complaint = _complaint(structure.lean + _EOI)
    if complaint is None:
        # With the zeros over the headers of scans, those are only missing.
        if structure.has_false_zeros or (structure.has_zeros and not structure.is_complete):
            raise ImageError("a damaged JPEG (zeros instead of data)")
        if structure.ended:
            return None
        if structure.is_complete:
            return "only the end marker of the JPEG is missing: CVAT shows the whole picture"
        raise ImageError("a truncated JPEG: its last scans are missing")
    if "extraneous bytes" in complaint and not structure.has_zeros:
        return f"part of the picture may be damaged, although CVAT shows it without a word ({complaint})"
    if "progression" in complaint or "SOS parameters" in complaint:
        return f"an unusual JPEG, which CVAT shows ({complaint})"
    cut = "premature end" in complaint and not structure.ended
    raise ImageError(f"a {'truncated' if cut else 'damaged'} JPEG ({complaint.removeprefix('Corrupt JPEG data: ')})")


def _complaint(content: bytes) -> str | None:
    """Return libjpeg's first warning or error."""
    try:
        simplejpeg.decode_jpeg(content, colorspace="GRAY", min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        return _complaint_in_colour(content) if "Unsupported" in str(error) else str(error)
    return None


def _complaint_in_colour(content: bytes) -> str | None:
    """Decode what libjpeg cannot convert to grey: a lossless JPEG."""
    try:
        simplejpeg.decode_jpeg(content, colorspace="RGB")
    except ValueError as error:
        return str(error)
    return None
