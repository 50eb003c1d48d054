"""What an inspection has found so far: its format, its size and orientation in CVAT, its warnings."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image
from PIL.ExifTags import Base

from labelyard.errors import ImageError
from labelyard.images.servers import Server

MAX_PIXELS = 178_956_970
"""Width times height; Pillow, and so CVAT, treats more as a decompression bomb."""
_UPRIGHT, _LAST = 1, 8
_ON_ITS_SIDE = 4
"""Higher orientations turn an image by a quarter."""


@dataclass
class Findings:
    """The findings survive the ImageError that ends an inspection. `size` and `orientation` are as CVAT shows it."""

    format: str | None = None
    size: tuple[int, int] | None = None
    orientation: int = _UPRIGHT
    warnings: list[str] = field(default_factory=list)

    def set_size(self, width: int, height: int) -> None:
        """Take the size. Raises ImageError if CVAT would call it a decompression bomb."""
        self.size = (width, height)
        if not 0 < width * height <= MAX_PIXELS:
            raise ImageError(f"{width} x {height} pixels are more than the {MAX_PIXELS} that CVAT accepts")

    def turn(self, stated: int, server: Server) -> None:
        """Turn the size as the server turns an image of this EXIF orientation; warn about what differs."""
        assert self.size is not None
        if stated == _UPRIGHT:
            return
        if not server.applies_exif:
            self.orientation = stated if _UPRIGHT < stated <= _LAST else _UPRIGHT
            if self.orientation != _UPRIGHT:
                self.warnings.append(
                    f"EXIF orientation {stated}: CVAT shows the pixels as stored, so annotators see it {_seen(stated)}"
                )
        elif _UPRIGHT < stated <= _LAST:
            self.size = self.size[::-1] if stated > _ON_ITS_SIDE else self.size
            self.warnings.append(
                f"EXIF orientation {stated}: CVAT turns it upright, so its boxes miss in readers that ignore EXIF"
            )
        else:
            self.warn_of_meta(stated, server)

    def warn_of_meta(self, stated: int, server: Server) -> None:
        """Warn if the server states another size than it shows: it swaps the sides of what it does not turn itself."""
        assert self.size is not None
        width, height = self.size
        if server.applies_exif and stated > _ON_ITS_SIDE and width != height:
            self.warnings.append(
                f"orientation {stated}: CVAT shows {width} x {height} pixels, but its data/meta says {height} x {width}"
            )


def stated_orientation(image: Image.Image, server: Server) -> int:
    """Return the EXIF orientation that a file states, whatever the number.

    Raises ImageError if the server fails on the file's EXIF data.
    """
    try:
        found = image.getexif().get(Base.Orientation, _UPRIGHT)
    except Exception as error:  # noqa: BLE001 - Pillow's readers raise anything on crafted EXIF
        if server.applies_exif:
            raise ImageError(f"EXIF data on which {server.name} fails: {first_line(error)}") from None
        return _UPRIGHT
    return found if isinstance(found, int) else _UPRIGHT


def _seen(orientation: int) -> str:
    return {2: "mirrored", 3: "upside down", 4: "upside down and mirrored"}.get(orientation, "lying on its side")


def first_line(error: Exception) -> str:
    """Return what an exception of Pillow's says, in one line."""
    return str(error).partition("\n")[0] or type(error).__name__
