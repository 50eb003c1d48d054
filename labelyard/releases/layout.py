"""The folder of another format beside the COCO files: its files unpacked, with the images where readers look for them.

`NAME/` is made of `formats/NAME/` and of `images/`; its images are hard links, or copies where the disk has none.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

import msgspec

from labelyard.errors import InputError
from labelyard.formats.splits import archive_name, archived_files
from labelyard.releases.lines import digest_of
from labelyard.releases.manifest import FORMATS_FOLDER, IMAGES_FOLDER, Manifest, is_safe

_PIECE = 1 << 20
_NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES})
"""What disks say that have no hard links, or no more of them."""


class ListedImage(msgspec.Struct, frozen=True):
    """A line of the list of a split's images: `path` is where readers of the format look for it."""

    id: int
    file_name: str
    path: str


def lay_out(folder: Path, manifest: Manifest, name: str, splits: Collection[str]) -> None:
    """Write the folder of a format for some splits of a fetched release, or for all if none is named.

    What is there and right is kept. An image that was not fetched is left out. Raises InputError if the disk refuses.
    """
    to = folder / name
    wanted = [split for split in splits_of(manifest, name) if not splits or split in splits]
    try:
        for path, content in files_of(folder, manifest, name, wanted):
            _write(_inside(to, path), content)
        for split in wanted:
            for one in listed_images(folder, name, split):
                _link_image(_inside(folder / IMAGES_FOLDER, one.file_name), _inside(to, one.path))
    except OSError as error:
        where = str(error.filename or to)
        raise InputError(f"it cannot be written: {error.strerror}", where=where) from error


def files_of(folder: Path, manifest: Manifest, name: str, splits: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield path and content of each file of a format, but for its images, in some splits.

    The content is to be read before the next one.
    """
    own = folder / FORMATS_FOLDER / name
    for path in shared_files(manifest, name):
        with (own / path).open("rb") as content:
            yield path, content
    for split in splits:
        yield from archived_files(own / archive_name(split))


def with_folders(manifest: Manifest) -> set[str]:
    """Return the formats that are laid out in a folder of their name."""
    return {name for name in manifest.formats if splits_of(manifest, name)}


def splits_of(manifest: Manifest, name: str) -> list[str]:
    """Return the splits of which a format has an archive: those with images, and none for a format without a folder."""
    listed = {entry.path for entry in manifest.files}
    return [split for split in manifest.counts if f"{FORMATS_FOLDER}/{name}/{archive_name(split)}" in listed]


def shared_files(manifest: Manifest, name: str) -> list[str]:
    """Return the names of the files of a format that all splits share."""
    start = f"{FORMATS_FOLDER}/{name}/"
    own = {own_name for split in manifest.counts for own_name in (archive_name(split), list_name(split))}
    paths = [entry.path.removeprefix(start) for entry in manifest.files if entry.path.startswith(start)]
    return [path for path in paths if path not in own]


def list_name(split: str) -> str:
    """Return the name of the list of a split's images."""
    return f"{split}.jsonl"


def listed_images(folder: Path, name: str, split: str) -> Iterator[ListedImage]:
    """Yield the images of a split with their paths in a format. Raises InputError for a line that is none."""
    path = folder / FORMATS_FOLDER / name / list_name(split)
    decode = msgspec.json.Decoder(ListedImage).decode
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield decode(line)
            except ValueError as error:
                raise InputError(f"line {number} is no image of a split: {error}", where=str(path)) from error


def has_content(path: Path, content: IO[bytes]) -> bool:
    """Return whether a file has the bytes that are left in a stream."""
    with path.open("rb") as file:
        while True:
            piece = content.read(_PIECE)
            if file.read(len(piece) or 1) != piece:
                return False
            if not piece:
                return True


def _inside(folder: Path, path: str) -> Path:
    if not is_safe(path):
        raise InputError(f"the path {path!r} leaves its folder", where=str(folder))
    return folder / path


def _write(to: Path, content: IO[bytes]) -> None:
    if to.is_symlink() or (to.exists() and not to.is_file()):
        raise InputError("it is no file of a release", where=str(to), next_step="delete it, and fetch again")
    start = content.tell()
    if to.exists() and has_content(to, content):
        return
    content.seek(start)
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f".{to.name}.part")
    with part.open("wb") as file:
        shutil.copyfileobj(content, file, _PIECE)
    part.replace(to)


def _link_image(image: Path, to: Path) -> None:
    """Link an image to where readers look for it."""
    if not image.is_file():
        return
    if to.is_file() and (to.samefile(image) or digest_of(to) == digest_of(image)):
        return
    to.unlink(missing_ok=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(image, to)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(image, to)
