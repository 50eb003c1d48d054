"""Images to upload."""

from __future__ import annotations

import io

from PIL import Image

from labelyard.domain.tasks import UploadFile


def jpeg_bytes(width: int = 64, height: int = 48, shade: int = 128) -> bytes:
    """Return a real JPEG."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 60, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def upload_file(name: str, content: bytes | None = None) -> UploadFile:
    """Return a file to upload; a JPEG unless `content` is given."""
    data = jpeg_bytes() if content is None else content
    return UploadFile(name, len(data), lambda: io.BytesIO(data), "image/jpeg")
