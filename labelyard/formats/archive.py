"""Zip files: read without trust, and written with the same bytes for the same files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from labelyard.errors import ExportFailed

_MAX_MEMBERS = 100_000
_MAX_BYTES = 1 << 30
_MAX_RATIO = 200  # XML of boxes deflates to about a tenth
_ALWAYS_ALLOWED = 10 << 20  # a ratio says nothing about smaller files
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_member(path: Path, name: str) -> bytes:
    """Return the bytes of one member of an export. Nothing is unpacked by name, and bytes are counted while read.

    Raises ExportFailed for a broken or oversized zip, and for one without the member.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(archive, path, name)
            with archive.open(member) as stream:
                data = stream.read(_MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ExportFailed(f"the export is not a readable zip file: {error}", where=str(path)) from error
    if len(data) > _allowed_bytes(member):
        raise ExportFailed(f"{name} in the export unpacks to more bytes than allowed", where=str(path))
    return data


def _member(archive: zipfile.ZipFile, path: Path, name: str) -> zipfile.ZipInfo:
    members = archive.infolist()
    found = [member for member in members if member.filename == name]
    if len(members) > _MAX_MEMBERS or len(found) != 1:
        what = f"the export has {len(members)} members, {len(found)} of them called {name}; one was expected"
        raise ExportFailed(what, where=str(path))
    if found[0].file_size > _allowed_bytes(found[0]):
        raise ExportFailed(f"{name} in the export would unpack to {found[0].file_size} bytes", where=str(path))
    return found[0]


def _allowed_bytes(member: zipfile.ZipInfo) -> int:
    return max(_ALWAYS_ALLOWED, min(_MAX_BYTES, _MAX_RATIO * max(member.compress_size, 1)))


def write_archive(files: Iterable[Path], folder: Path, to: Path) -> None:
    """Write files of a folder to a zip, by their names in it, without times."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            with file.open("rb") as source, archive.open(entry, "w") as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
