"""Images made for tests."""

from __future__ import annotations

import io

from PIL import Image


def jpeg(width: int = 64, height: int = 48, color: str | tuple[int, int, int] = "teal") -> bytes:
    """Return the bytes of a JPEG of one color."""
    return _image((width, height), color, "JPEG")


def picture(seed: int = 0, size: tuple[int, int] = (64, 48), kind: str = "JPEG") -> bytes:
    """Return the bytes of an image that differs from seed to seed."""
    return _image(size, (seed * 37 % 256, seed * 91 % 256, seed * 13 % 256), kind)


def _image(size: tuple[int, int], color: str | tuple[int, int, int], kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind)
    return out.getvalue()
