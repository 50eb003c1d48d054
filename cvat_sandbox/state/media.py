"""Media files: their kinds, the size of an image, and the frames, chunks and previews made from images."""

from __future__ import annotations

import io
import math
import os
import posixpath
import re
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from PIL import Image, UnidentifiedImageError

from cvat_sandbox.state import pillow62

IMAGES = (".bmp", ".cur", ".dib", ".gif", ".icns", ".ico", ".ief", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpf", ".jpg",
          ".jpx", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".ras", ".rgb", ".tga", ".tif", ".tiff",
          ".webp", ".xbm", ".xpm")  # fmt: skip
VIDEOS = (".3gp", ".asf", ".avi", ".flv", ".m1v", ".m4v", ".mkv", ".mov", ".mp2", ".mp4", ".mpa", ".mpe", ".mpeg",
          ".mpg", ".mts", ".ogv", ".qt", ".webm", ".wmv")  # fmt: skip
ARCHIVES = (".7z", ".bz2", ".cpio", ".gz", ".rar", ".tar", ".tgz")
KINDS = ("image", "video", "archive", "directory", "pdf", "zip")
MAX_MEMBER_BYTES = 2**30
MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
"""An image with more pixels fails the task, as it does with Pillow's limit on the real server."""

_STEP = re.compile(r"step\s*=\s*([1-9]\d*)")


def kind_of(name: str) -> str | None:
    """Return the kind of a file by its suffix, one of KINDS. None means that CVAT skips the file without an error."""
    suffix = posixpath.splitext(name)[1].lower()
    known = {"image": IMAGES, "video": VIDEOS, "archive": ARCHIVES, "zip": (".zip",), "pdf": (".pdf",)}
    return next((kind for kind, suffixes in known.items() if suffix in suffixes), None)


def measure(file: Path, shown: str) -> tuple[int, int]:
    """Decode an image and return its width and height. A truncated image passes.

    Raises what Pillow raises on the real server; an OSError for an unknown format names the path `shown`.
    """
    with _opened(file, shown) as image:
        pillow62.load(image)
        pillow62.to_rgb(image)
        return image.size


def _opened(file: Path, shown: str) -> Image.Image:
    try:
        image = pillow62.open_image(file)
    except (UnidentifiedImageError, SyntaxError, EOFError):
        raise OSError(f"cannot identify image file '{shown}'") from None
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError(f"Image size ({image.width * image.height} pixels) exceeds limit")
    return image


def unpack(archive: Path, folder: Path) -> list[tuple[str, Path]]:
    """Extract the images of a zip into `folder`; return their names in the zip and their files.

    The names on disk are numbers, so that no name in the zip is a path. Raises BadZipFile, OSError.
    """
    found = []
    with zipfile.ZipFile(archive) as source:
        for number, name in enumerate(sorted(n for n in source.namelist() if kind_of(n) == "image")):
            file = folder / f"zip-{number:06d}"
            with source.open(name) as member, file.open("wb") as target:
                _copy(member, target)
            found.append((name, file))
    return found


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    left = MAX_MEMBER_BYTES
    while block := source.read(2**20):
        left -= len(block)
        if left < 0:
            raise OSError("a file in the archive is larger than the sandbox allows")
        target.write(block)


class FrameError(Exception):
    """The task has no such frame or chunk."""


class Pillow(Protocol):
    """How a version of CVAT reads images: `pillow62` or `pillow12`."""

    def open_image(self, file: Path) -> Image.Image:
        """Open an image."""

    def load(self, image: Image.Image) -> None:
        """Decode as much as the file holds."""

    def to_rgb(self, image: Image.Image) -> Image.Image:
        """Convert a loaded image."""


Fetch = Callable[[sqlite3.Row, sqlite3.Row, Path], None]


class Frames:
    """The media of a data row in its folder. Chunks and the preview are made when they are first requested.

    frames: all of them, or those of a job; then `cache` names the folder of their chunks and preview.
    fetch: brings the image of a frame, of a data row, into a file that does not exist yet.
    """

    def __init__(
        self, folder: Path, data: sqlite3.Row, frames: list[sqlite3.Row], *, pillow: Pillow = pillow62, cache: str = "",
        fetch: Fetch | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._data, self._frames, self._fetch = folder, data, frames, fetch
        self._pillow, self._cache = pillow, folder / cache

    def frame(self, number: int, *, original: bool) -> tuple[bytes, str]:
        """Return an image, as it was uploaded or as a compressed JPEG, and its file name."""
        if not 0 <= number < len(self._frames):
            raise FrameError(f"Incorrect requested frame number: {number}")
        file = self._file(self._frames[number])
        if original:
            return file.read_bytes(), self._frames[number]["path"]
        return self._compressed(file), "frame.jpeg"

    def thumbnail(self, number: int, side: int) -> bytes:
        """Return an image as a JPEG of at most `side` x `side` pixels."""
        out = io.BytesIO()
        with self._pillow.open_image(self._file(self._frames[number])) as image:
            image.draft("RGB", (side, side))  # a large JPEG is decoded small
            self._pillow.load(image)
            shrunk = self._pillow.to_rgb(image)
        shrunk.thumbnail((side, side))
        shrunk.save(out, "JPEG", quality=80)
        return out.getvalue()

    def chunk(self, number: int, *, original: bool) -> Path:
        """Return the file of a chunk: an uncompressed zip of up to `chunk_size` images."""
        size = self._data["chunk_size"]
        if not 0 <= number < math.ceil(len(self._frames) / size):
            raise FrameError(f"Incorrect requested chunk number: {number}")
        target = self._cache / ("original" if original else "compressed") / f"{number}.zip"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._write_chunk(self._frames[number * size : (number + 1) * size], target, original=original)
        return target

    def preview(self) -> Path:
        """Return the file of a small JPEG of the first image."""
        target = self._cache / "preview.jpeg"
        if not self._frames:
            raise FrameError(f'"{shown_path(self._data["id"], "../preview.jpeg")}" does not exist')
        if not target.exists():
            with self._pillow.open_image(self._file(self._frames[0])) as image:
                self._pillow.load(image)
                small = self._pillow.to_rgb(image)
            small.thumbnail((256, 256))
            self._cache.mkdir(exist_ok=True)
            _replace(target, lambda out: small.save(out, "JPEG"))
        return target

    def _file(self, frame: sqlite3.Row) -> Path:
        file = self._folder / "raw" / str(frame["file"])
        if self._fetch and not file.exists():
            self._fetch(self._data, frame, file)
        return file

    def _compressed(self, file: Path) -> bytes:
        out = io.BytesIO()
        with self._pillow.open_image(file) as image:
            self._pillow.load(image)
            self._pillow.to_rgb(image).save(out, "JPEG", quality=self._data["image_quality"])
        return out.getvalue()

    def _write_chunk(self, frames: list[sqlite3.Row], target: Path, *, original: bool) -> None:
        def write(out: io.BufferedWriter) -> None:
            with zipfile.ZipFile(out, "w") as chunk:
                for index, frame in enumerate(frames):
                    suffix = posixpath.splitext(frame["path"])[1] if original else ".jpeg"
                    file = self._file(frame)
                    image = file.read_bytes() if original else self._compressed(file)
                    chunk.writestr(f"{index:06d}{suffix}", image)

        _replace(target, write)


def _replace(target: Path, write: Callable[[io.BufferedWriter], object]) -> None:
    """Write a file so that readers find it complete or not at all."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{id(write)}")
    with temporary.open("wb") as out:
        write(out)
    temporary.replace(target)


def shown_path(data_id: int, name: str) -> str:
    """Return the path of an upload on the real server, which its error messages name."""
    return posixpath.normpath(f"/home/django/data/data/{data_id}/raw/{name}")


def has_frame_step(frame_filter: str) -> bool:
    """Return whether a frame filter has a step, such as `step=2`."""
    return _STEP.search(frame_filter) is not None


def frame_step(frame_filter: str) -> int:
    """Return the step of a frame filter such as `step=2`; 1 without one."""
    match = _STEP.search(frame_filter)
    return int(match[1]) if match else 1


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Return the key by which numbers within names are sorted by their value."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]
