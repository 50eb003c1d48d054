"""Where COCO files come from: a file, a zip, a folder, or object storage. Each is read from this machine's disk."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from labelyard.domain.objects import StoredObject, parse_address
from labelyard.errors import InputError, NotFound
from labelyard.formats.archive import unpacked_members
from labelyard.formats.coco.parts import require_file
from labelyard.storage import Store

_JSON, _ZIP = ".json", ".zip"


@dataclass(frozen=True, slots=True)
class CocoFile:
    """A file that may be a COCO file.

    `path` exists until the next one is asked for. `beside` is the path for a corrected copy. `alone` says that nothing
    else was asked for.
    """

    name: str
    path: Path
    beside: Path
    alone: bool = False


def coco_files(address: str, folder: Path, store: Callable[[], Store]) -> Iterator[CocoFile]:
    """Yield the files that an address means; those that must be copied or unpacked are put into `folder`.

    Raises NotFound if it means none, InputError for a zip that cannot be read, StoreError.
    """
    if address.startswith("s3://"):
        yield from _objects(address, folder, store())
        return
    path = Path(address)
    if path.is_dir():
        # A link that leads nowhere is read, too: the error names it.
        found = sorted(file for file in path.rglob(f"*{_JSON}") if file.is_file() or not file.exists())
        if not found:
            raise NotFound("the folder has no .json file", where=address)
        for file in found:
            yield CocoFile(str(file.relative_to(path)), file, _beside(file.parent, file.name), alone=len(found) == 1)
        return
    if not path.exists():
        raise NotFound("no such file or folder", where=address)
    require_file(path)
    if _is_zip(path):
        yield from _members(path, path.parent, address, folder)
    else:
        yield CocoFile(address, path, _beside(path.parent, path.name), alone=True)


def _is_zip(path: Path) -> bool:
    try:
        return path.suffix.lower() == _ZIP or zipfile.is_zipfile(path)
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=str(path)) from error


def _beside(folder: Path, name: str) -> Path:
    return folder / f"{PurePosixPath(name).name.removesuffix(_JSON)}.fixed.json"


def _members(path: Path, beside: Path, where: str, folder: Path) -> Iterator[CocoFile]:
    count = 0
    for name, member in unpacked_members(path, _JSON, folder):
        count += 1
        yield CocoFile(name, member, _beside(beside, name.replace("\\", "/")))
    if not count:
        raise NotFound("the zip has no .json file", where=where)


def _objects(address: str, folder: Path, store: Store) -> Iterator[CocoFile]:
    bucket, key = parse_address(address) or ("", "")
    if key.lower().endswith((_JSON, _ZIP)):
        found = [store.head(bucket, key)]
    else:
        found = [one for one in store.list(bucket, key) if one.key.lower().endswith((_JSON, _ZIP))]
    if not found:
        raise NotFound("no object with this prefix ends in .json or .zip", where=address)
    for one in found:
        name = PurePosixPath(one.key).name
        path = _copy(one, store, folder / "object")
        if name.lower().endswith(_ZIP):
            yield from _members(path, Path(), one.url, folder)
        else:
            yield CocoFile(one.url, path, _beside(Path(), name), alone=len(found) == 1)
        path.unlink()


def _copy(one: StoredObject, store: Store, to: Path) -> Path:
    with to.open("wb") as file:
        file.writelines(store.read(one))
    return to
