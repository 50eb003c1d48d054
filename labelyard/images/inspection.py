"""Inspection of one image before CVAT receives it.

In CVAT one broken image fails a whole task, and a truncated one passes unnoticed. A file's name does not matter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from labelyard.errors import ImageError
from labelyard.images.decoder_memory import DecoderMemory
from labelyard.images.findings import Findings
from labelyard.images.readers import examine
from labelyard.images.servers import Server

INSPECTORS = 2
"""How many images a step inspects at once: hashing and decoding release the GIL, and other steps need cores, too."""
_UNBOUNDED = DecoderMemory(2**63)
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a file, and what becomes of it in CVAT.

    `reason` says why it is quarantined; None accepts it. `warnings` say what annotators will see that the file does not
    mean. `width` and `height` are the pixels that CVAT shows. `exif_orientation` (1 to 8) is how viewers would still
    turn what CVAT shows; it is 1 too if CVAT has turned it.
    """

    reason: str | None
    warnings: tuple[str, ...]
    format: str | None
    width: int | None
    height: int | None
    exif_orientation: int
    sha256: str
    mime: str

    @property
    def verdict(self) -> str:
        """`accept` or `quarantine`."""
        return "accept" if self.reason is None else "quarantine"


def inspect_image(path: Path, server: Server, memory: DecoderMemory = _UNBOUNDED) -> Inspection:
    """Read a file completely and say what `server` makes of it. Raises OSError if it cannot be read."""
    found, reason = Findings(), None
    with path.open("rb") as file:
        sha256, size = _digest(file)
        try:
            examine(file, size, server, memory, found)
        except ImageError as error:
            reason = error.what
    width, height = found.size or (None, None)
    mime = Image.MIME.get(found.format or "", "application/octet-stream")
    warnings = () if reason else tuple(found.warnings)
    return Inspection(reason, warnings, found.format, width, height, found.orientation, sha256, mime)


def _digest(file: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size
