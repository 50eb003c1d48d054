"""Zip files: read without trust, and written with the same bytes for the same files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from labelyard.errors import ExportFailed, InputError

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


_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
_MAX_UNPACKED = 16 << 30
_BLOCK = 1 << 20


def unpacked_members(path: Path, suffix: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each member of anybody's zip with this ending, and a numbered file with its bytes, one at a time.

    Names never become paths, and bytes are counted while they are unpacked. Raises InputError for a zip that is broken,
    encrypted, has names that leave its folder or occur twice, or unpacks to far more than it holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [one for one in _safe_members(archive, path) if one.filename.lower().endswith(suffix)]
            for number, member in enumerate(wanted):
                to = folder / f"{number:06d}{suffix}"
                _unpack(archive, member, to, path)
                yield member.filename, to
                to.unlink()
    except _BROKEN as error:
        raise InputError(f"not a readable zip file: {error}", where=str(path)) from error


def _safe_members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise InputError(f"the zip has {len(members)} members: at most {_MAX_MEMBERS} are read", where=str(path))
    names: set[str] = set()
    for member in members:
        name = member.filename
        if name.startswith(("/", "\\")) or ":" in name[:2] or ".." in PurePosixPath(name.replace("\\", "/")).parts:
            raise InputError(
                f"the member {name!r} leaves the folder of the zip: nothing of it is read", where=str(path)
            )
        if name in names:
            raise InputError(f"two members are called {name!r}: nothing of the zip is read", where=str(path))
        names.add(name)
    return [one for one in members if not one.is_dir() and not one.filename.startswith("__MACOSX/")]


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, to: Path, path: Path) -> None:
    where = f"{path}, {member.filename}"
    if member.flag_bits & 1:
        raise InputError("the member is encrypted", where=where, next_step="decrypt it, and check the file itself")
    allowed = max(_ALWAYS_ALLOWED, min(_MAX_UNPACKED, _MAX_RATIO * member.compress_size))
    count = 0
    with archive.open(member) as source, to.open("wb") as target:
        while block := source.read(_BLOCK):
            count += len(block)
            if count > allowed:
                what = f"the member unpacks to more than {_MAX_RATIO} times its size: it may be a zip bomb"
                raise InputError(what, where=where, next_step="if you trust it, unzip it and check the file itself")
            target.write(block)


def write_archive(files: Iterable[Path], folder: Path, to: Path) -> None:
    """Write files of a folder to a zip, by their names in it, without times."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            with file.open("rb") as source, archive.open(entry, "w") as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
