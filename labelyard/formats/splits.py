"""Datasets in splits: what a format writes for a release, an image at a time, in memory that does not grow with them.

The files of each split are in an archive, laid out as the format's readers expect; those that the splits share are
beside it. The archives are tar files without compression: these have the same bytes on any machine, which no `zlib`
promises, and are written and read without a list of their members.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, Protocol

from labelyard.annotations.content import FrameObject, Image
from labelyard.domain.labels import Label
from labelyard.errors import InputError


@dataclass(frozen=True, slots=True)
class Entry:
    """A COCO annotation of an image, and those of its objects that the format holds: one at least."""

    annotation: Mapping[str, Any]
    objects: Sequence[FrameObject]


@dataclass(frozen=True, slots=True)
class SplitImage:
    """An image of a split, its COCO fields, and what the format holds of its annotations."""

    split: str
    fields: Mapping[str, Any]
    image: Image
    entries: Sequence[Entry]

    @property
    def number(self) -> int:
        """The id of the image in the release."""
        found: int = self.fields["id"]
        return found

    @property
    def objects(self) -> list[FrameObject]:
        """The objects of all entries."""
        return [one for entry in self.entries for one in entry.objects]


@dataclass(frozen=True, slots=True)
class SplitDataset:
    """What is known before the first image: labels in the order of their classes, and splits with an image.

    `categories` are those of the COCO files. `names` yields the id and the name of every image.
    """

    labels: Sequence[Label]
    categories: Sequence[Mapping[str, Any]]
    splits: Sequence[str]
    names: Iterable[tuple[int, str]]


class SplitWriter(Protocol):
    """Writes the files of a format. Images come split by split."""

    def add(self, image: SplitImage) -> str:
        """Write what belongs to an image; return the path, in the folder of the format, where readers look for it."""
        ...

    def close(self) -> Sequence[str]:
        """Write what is left; return what a reader should know."""
        ...


class SplitFiles:
    """The files of a format in a folder: `SPLIT.tar` for each split, and those that all splits share."""

    def __init__(self, folder: Path, splits: Iterable[str]) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._lists: dict[tuple[str, str, int], BinaryIO] = {}
        self._archives = {
            split: tarfile.open(folder / archive_name(split), "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - close()
            for split in splits
        }

    def share(self, path: str, content: str) -> None:
        """Write a file that all splits share."""
        (self._folder / path).write_text(content, encoding="utf-8", newline="")

    def add(self, split: str, path: str, content: str) -> None:
        """Add a file to a split."""
        data = content.encode()
        self._add(split, path, len(data), io.BytesIO(data))

    def add_line(self, split: str, path: str, line: str, part: int = 0) -> None:
        """Add a line to a file of a split, which has its parts in their order. They are on the disk until the end."""
        file = self._lists.get((split, path, part))
        if file is None:
            file = self._lists[split, path, part] = TemporaryFile(dir=self._folder)  # noqa: SIM115 - close()
        file.write(b"%s\n" % line.encode())

    def close(self) -> None:
        """Add the files that were written line by line, and end the archives."""
        found: dict[tuple[str, str], BinaryIO] = {}
        for split, path, part in sorted(self._lists):
            file = self._lists[split, path, part]
            whole = found.setdefault((split, path), file)
            if file is not whole:
                file.seek(0)
                shutil.copyfileobj(file, whole)
        for (split, path), file in found.items():
            size = file.tell()
            file.seek(0)
            self._add(split, path, size, file)
        for file in self._lists.values():
            file.close()
        for archive in self._archives.values():
            archive.close()

    def _add(self, split: str, path: str, size: int, content: BinaryIO) -> None:
        entry = tarfile.TarInfo(path)  # without time and owner
        entry.size = size
        archive = self._archives[split]
        archive.addfile(entry, content)
        _forget_members(archive)


def archive_name(split: str) -> str:
    """Return the name of the archive of a split."""
    return f"{split}.tar"


def _forget_members(archive: tarfile.TarFile) -> None:
    """Let an archive forget its members: it keeps them all otherwise."""
    archive.members.clear()  # type: ignore[attr-defined]


@contextmanager
def _reading(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as archive:
            yield archive
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(f"the archive cannot be read: {error}", where=str(path)) from error


def archived_files(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield path and content of each file of an archive; the content is to be read before the next one.

    Raises InputError for what `SplitFiles` does not write.
    """
    with _reading(path) as archive:
        while (member := archive.next()) is not None:
            _forget_members(archive)
            stream = archive.extractfile(member) if member.type == tarfile.REGTYPE and not member.issparse() else None
            if stream is None:
                raise InputError(f"{member.name!r} is no file", where=str(path))
            yield member.name, stream
