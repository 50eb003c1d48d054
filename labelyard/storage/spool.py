"""A bounded folder on disk that holds objects between the bucket and CVAT, fetched several ahead.

Files are numbered, never named by a key. The next spool in the folder removes the files of a killed process.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event
from typing import Protocol

import stamina

from labelyard.domain.objects import StoredObject
from labelyard.errors import (
    ObjectArchived,
    ObjectChanged,
    ObjectDeleted,
    ObjectRefused,
    StoreError,
    StoreUnreachable,
)

THREADS = 4
AHEAD = 8
"""Objects that are being fetched, or fetched and not yet yielded."""


class Reader(Protocol):
    """What a spool needs of a store."""

    def head(self, bucket: str, key: str) -> StoredObject:
        """Return the object as it is now."""

    def read(self, obj: StoredObject) -> Iterator[bytes]:
        """Yield the object's bytes."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """An object and its content on disk, which exists until `discard` or the spool's end.

    For an object that was deleted, changed, archived or refused there is no file, and `failure` is the reason.
    """

    object: StoredObject
    path: Path
    size: int
    failure: ObjectDeleted | ObjectChanged | ObjectArchived | ObjectRefused | None
    spool: Spool

    def discard(self) -> None:
        """Delete the file, so that another one fits."""
        self.spool.discard(self)


class Spool:
    """An iterable of the objects in their order, for one iteration in one thread.

    Raises StoreUnreachable if reading an object failed three times, StoreError if the disk or the spool is full.
    """

    def __init__(self, store: Reader, objects: Iterable[StoredObject], folder: Path, max_bytes: int) -> None:
        self._store, self._folder, self._max_bytes = store, folder, max_bytes
        self._rest = deque(objects)
        self._fetched: deque[tuple[StoredObject, Path, int, Future[None]]] = deque()
        self._held = 0
        self._names = count()
        self._stop = Event()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="spool")

    def __iter__(self) -> Iterator[Spooled]:
        while self._fetch_ahead():
            yield self._finish(*self._fetched.popleft())

    def discard(self, spooled: Spooled) -> None:
        """Delete the file of a yielded object."""
        if spooled.path.exists():
            spooled.path.unlink()
            self._held -= spooled.size

    def close(self) -> None:
        """Stop fetching."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _fetch_ahead(self) -> bool:
        """Start fetching the next objects that fit; return whether one can be yielded."""
        while self._rest and len(self._fetched) < AHEAD:
            size = self._size(self._rest[0])
            if self._held + size > self._max_bytes:
                break
            obj, path = self._rest.popleft(), self._folder / f"{next(self._names):06d}"
            self._held += size
            self._fetched.append((obj, path, size, self._pool.submit(self._fetch, obj, path, size)))
        if self._rest and not self._fetched:
            raise StoreError(
                f"{self._held + self._size(self._rest[0])} bytes at once are more than the spool's {self._max_bytes}",
                where=self._rest[0].url,
                next_step="set LABELYARD_SPOOL_BYTES, or a smaller batch.max_bytes in the dataset file",
            )
        return bool(self._fetched)

    def _size(self, obj: StoredObject) -> int:
        if obj.size is not None:
            return obj.size
        try:
            return self._store.head(obj.bucket, obj.key).size or 0
        except (ObjectDeleted, ObjectRefused):
            return 0  # fetching it reports the failure, in order

    def _finish(self, obj: StoredObject, path: Path, size: int, fetching: Future[None]) -> Spooled:
        try:
            fetching.result()
        except (ObjectDeleted, ObjectChanged, ObjectArchived, ObjectRefused) as failure:
            path.unlink(missing_ok=True)
            self._held -= size
            return Spooled(obj, path, 0, failure, self)
        return Spooled(obj, path, size, None, self)

    def _fetch(self, obj: StoredObject, path: Path, size: int) -> None:
        try:
            for attempt in stamina.retry_context(on=StoreUnreachable, attempts=3, wait_initial=0.5, wait_max=5):
                with attempt:
                    self._copy(obj, path, size)
        except OSError as error:
            next_step = "free some space there, or set LABELYARD_SPOOL to another folder"
            raise StoreError(f"cannot write: {error.strerror}", where=str(self._folder), next_step=next_step) from error

    def _copy(self, obj: StoredObject, path: Path, size: int) -> None:
        written = 0
        with path.open("wb") as file:
            for piece in self._store.read(obj):
                written += len(piece)
                if self._stop.is_set() or written > size:
                    break
                file.write(piece)
        if written != size and not self._stop.is_set():
            raise ObjectChanged(f"its size is no longer the {size} bytes that were registered", where=obj.url)


@contextmanager
def open_spool(store: Reader, objects: Iterable[StoredObject], folder: Path, max_bytes: int) -> Iterator[Spool]:
    """Yield a spool in a new folder below `folder`, which is deleted at the end."""
    with _own_folder(folder) as own:
        spool = Spool(store, objects, own, max_bytes)
        try:
            yield spool
        finally:
            spool.close()


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Between its creation and its locking, another process would take the folder for an orphan.
        with (parent / ".lock").open("w") as parent_lock:
            fcntl.flock(parent_lock, fcntl.LOCK_EX)
            _remove_orphans(parent)
            folder = Path(tempfile.mkdtemp(prefix="spool-", dir=parent))
            lock = (folder / ".lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        next_step = "set LABELYARD_SPOOL to a folder that can be written to"
        raise StoreError(f"no spool: {error.strerror}", where=str(parent), next_step=next_step) from error
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(parent: Path) -> None:
    """Delete the folders of dead processes: the kernel has released their locks."""
    for folder in parent.glob("spool-*"):
        with suppress(OSError), (folder / ".lock").open("a") as lock:  # its owner lives, or is just deleting it
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
