"""Images to upload."""

from __future__ import annotations

import io

from labelyard.domain.tasks import UploadFile
from tests.support.pictures import jpeg


def upload_file(name: str, content: bytes | None = None) -> UploadFile:
    """Return a file to upload; a JPEG unless `content` is given."""
    data = jpeg() if content is None else content
    return UploadFile(name, len(data), lambda: io.BytesIO(data), "image/jpeg")
