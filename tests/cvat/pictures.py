"""Images as they are uploaded."""

from __future__ import annotations

import io

from PIL import Image

from labelyard.domain.tasks import UploadFile


def jpeg(width: int = 64, height: int = 48, shade: int = 128) -> bytes:
    """A real JPEG."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 60, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def image(name: str, content: bytes | None = None) -> UploadFile:
    """A file to be uploaded; without content a JPEG."""
    held = jpeg() if content is None else content
    return UploadFile(name, len(held), lambda: io.BytesIO(held), "image/jpeg")
