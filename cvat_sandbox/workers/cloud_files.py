"""The images of a cloud storage that become frames of a task. They stay in the bucket until somebody looks at them."""

from __future__ import annotations

import fnmatch
import io
import json
import posixpath
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from PIL import Image

from cvat_sandbox.errors import InvalidImage, WorkerValidationError
from cvat_sandbox.state import cloud_storages, pillow12

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.workers.buckets import Bucket

READERS = 8
HEADER_BYTES = 65536
"""So much of an image is read to learn its size; the whole of it only when this is not enough."""
EVERYTHING = "*"
MANIFEST_SUFFIX = ".jsonl"
NO_INTERSECTION = "There is no intersection of the files specifiedin the request with the contents of the bucket"
WRONG_MAPPING = "Incorrect file mapping to manifest content"


@dataclass(frozen=True)
class CloudImage:
    """An image of a bucket."""

    key: str
    width: int
    height: int


@dataclass(frozen=True)
class Selection:
    """What the files that a request names stand for: images of the bucket, and a manifest that describes them."""

    bucket: Bucket
    keys: list[str]
    manifest: Manifest | None = None

    def images(self, keys: Sequence[str]) -> list[CloudImage]:
        """Return some of the images with their sizes: those of the manifest, or measured ones.

        Raises the error of the first image that cannot be read.
        """
        if self.manifest:
            return self.manifest.images(keys)
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(lambda key: _measured(self.bucket, key), keys))


class Manifest:
    """A list of images with their sizes, one a line after two lines about itself. Its names are those of the bucket."""

    def __init__(self, name: str, content: bytes) -> None:
        lines = [json.loads(line) for line in content.splitlines() if line.strip()]
        if [set(line) for line in lines[:2]] != [{"version"}, {"type"}] or lines[1]["type"] != "images":
            raise WorkerValidationError("Invalid manifest was uploaded")
        folder = posixpath.dirname(name)
        self._images = {posixpath.join(folder, f"{line['name']}{line['extension']}"): line for line in lines[2:]}

    @property
    def names(self) -> list[str]:
        """The names of all images."""
        return list(self._images)

    def images(self, keys: Sequence[str]) -> list[CloudImage]:
        """Return the images with these names. Raises WorkerValidationError."""
        known = [key for key in keys if key in self._images]
        if not known:
            raise WorkerValidationError(NO_INTERSECTION)
        if len(known) < len(keys):
            raise WorkerValidationError(WRONG_MAPPING)
        return [self._image(key, self._images[key]) for key in known]

    def _image(self, key: str, line: dict[str, Any]) -> CloudImage:
        if line.get("width") is None or line.get("height") is None:
            raise WorkerValidationError(f"Can't find image '{key}' width or height info in the manifest")
        return CloudImage(key, line["width"], line["height"])


def bucket_of(storage: sqlite3.Row | Mapping[str, Any]) -> Bucket:
    """Return the bucket of a storage, a row of its table or the columns of one. Raises ValueError."""
    from cvat_sandbox.workers import buckets  # noqa: PLC0415 - boto3 is slow to import, and few sandboxes need it

    return buckets.bucket_of(storage)


class CloudFiles:
    """The files of all cloud storages."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def bucket(self, storage_id: int | None) -> Bucket:
        """Return the bucket of a storage; raises LookupError for one that does not exist."""
        storage = self._db.one("SELECT * FROM cloud_storage WHERE id = ?", storage_id)
        if storage is None:
            raise LookupError("CloudStorage matching query does not exist.")
        return bucket_of(storage)

    def select(self, data_id: int, storage_id: int | None, values: dict[str, Any]) -> Selection:
        """Return what the files of a data row stand for. values: the validated body of the request."""
        bucket = self.bucket(storage_id)
        named = cloud_storages.files_of(self._db, data_id)
        files = [name for name in named if not name.endswith(MANIFEST_SUFFIX)]
        manifest = self._manifest(bucket, [name for name in named if name.endswith(MANIFEST_SUFFIX)])
        if manifest and values.get("sorting_method") == "random":
            raise WorkerValidationError("It isn't supported to upload manifest file and use random sorting")
        pattern = values.get("filename_pattern")
        if manifest and not files and not pattern:
            pattern = EVERYTHING
        keys = [key for name in files for key in self._below(bucket, name, manifest)]
        excluded = set(values.get("server_files_exclude", []))
        keys = [key for key in keys if not _is_excluded(key, excluded)]
        if pattern:
            every = manifest.names if manifest else list(bucket.files())
            keys += every if pattern == EVERYTHING else fnmatch.filter(every, pattern)
        return Selection(bucket, [key for key in keys if key.startswith(bucket.prefix)], manifest)

    def _manifest(self, bucket: Bucket, names: Sequence[str]) -> Manifest | None:
        if len(names) > 1:
            raise WorkerValidationError("Only one manifest file can be attached to data")
        return Manifest(names[0], bucket.read(names[0])) if names else None

    def _below(self, bucket: Bucket, name: str, manifest: Manifest | None) -> list[str]:
        """Return the files of a folder and of all folders in it; a file stands for itself."""
        if not name.endswith("/"):
            return [name]
        if manifest:
            return [key for key in manifest.names if key.startswith(name)]
        return list(bucket.files(name))

    def fetch(self, data: sqlite3.Row, frame: sqlite3.Row, target: Path) -> None:
        """Bring the image of a frame into a file, from where it is read later."""
        content = self.bucket(data["cloud_storage_id"]).read(frame["path"])
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{id(content)}")
        part.write_bytes(content)
        part.replace(target)

    def fetch_all(self, data_id: int | None, folder: Path) -> None:
        """Bring all images of a data row into its folder, those that are not there yet."""
        data = self._db.one("SELECT * FROM data WHERE id = ? AND storage = 'cloud_storage'", data_id)
        if data is None:
            return
        rows = self._db.all("SELECT * FROM frame WHERE data_id = ?", data_id)
        missing = {folder / row["file"]: row for row in rows if not (folder / row["file"]).exists()}
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(lambda file: self.fetch(data, missing[file], file), missing))


def _is_excluded(key: str, excluded: set[str]) -> bool:
    return key in excluded or any(f"{folder}/" in excluded for folder in PurePosixPath(key).parents)


def _measured(bucket: Bucket, key: str) -> CloudImage:
    header = bucket.read(key, first=HEADER_BYTES)
    try:
        return _sized(key, header)
    except (OSError, SyntaxError, ValueError):
        if len(header) < HEADER_BYTES:
            raise InvalidImage(f"failed to parse image file '{key}'") from None
    try:
        return _sized(key, bucket.read(key))
    except (OSError, SyntaxError, ValueError):
        raise InvalidImage(f"failed to parse image file '{key}'") from None


def _sized(key: str, content: bytes) -> CloudImage:
    with Image.open(io.BytesIO(content)) as image:
        return CloudImage(key, *pillow12.size(image))
