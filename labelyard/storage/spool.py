"""A bounded place on disk where objects wait between the bucket and CVAT, fetched several ahead.

Files are numbered, never named by a key. What a killed process left behind is removed by the next spool in the folder.
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
from labelyard.errors import ObjectArchived, ObjectChanged, ObjectDeleted, StoreError, StoreUnreachable

THREADS = 4
AHEAD = 8
"""Objects being fetched or fetched and not yet asked for."""


class Reader(Protocol):
    """What a spool needs of a store."""

    def head(self, bucket: str, key: str) -> StoredObject:
        """The object as it is now."""

    def read(self, obj: StoredObject) -> Iterator[bytes]:
        """Its bytes."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """An object and its content on disk, which stays until `discard` or the spool's end.

    Where the object is gone or has changed, `failure` says so, and there is no file.
    """

    object: StoredObject
    path: Path
    size: int
    failure: ObjectDeleted | ObjectChanged | ObjectArchived | None
    spool: Spool

    def discard(self) -> None:
        """Remove the file; its room is free for the next."""
        self.spool.discard(self)


class Spool:
    """Iterate over it, once and from one thread, for the objects in their order.

    Raises StoreUnreachable where the store broke off three times, and StoreError where disk or spool are full.
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
        while self._look_ahead():
            yield self._take(*self._fetched.popleft())

    def discard(self, spooled: Spooled) -> None:
        """Remove a file that was handed out."""
        if spooled.path.exists():
            spooled.path.unlink()
            self._held -= spooled.size

    def close(self) -> None:
        """End the fetching."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _look_ahead(self) -> bool:
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
        except ObjectDeleted:
            return 0  # its fetching says so, in its turn

    def _take(self, obj: StoredObject, path: Path, size: int, fetching: Future[None]) -> Spooled:
        try:
            fetching.result()
        except (ObjectDeleted, ObjectChanged, ObjectArchived) as failure:
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
            next_step = "free some space there, or name another folder in LABELYARD_SPOOL"
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
            raise ObjectChanged(f"it has other than the {size} bytes that it had when it landed", where=obj.url)


@contextmanager
def open_spool(store: Reader, objects: Iterable[StoredObject], folder: Path, max_bytes: int) -> Iterator[Spool]:
    """A spool below `folder`, emptied at the end."""
    with _own_folder(folder) as own:
        spool = Spool(store, objects, own, max_bytes)
        try:
            yield spool
        finally:
            spool.close()


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # The door is shut meanwhile: nobody shall take a folder for an orphan between its making and its locking.
        with (parent / ".door").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            _remove_orphans(parent)
            folder = Path(tempfile.mkdtemp(prefix="spool-", dir=parent))
            lock = (folder / ".lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        next_step = "name a folder that can be written to in LABELYARD_SPOOL"
        raise StoreError(f"no spool: {error.strerror}", where=str(parent), next_step=next_step) from error
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(parent: Path) -> None:
    """Remove the folders whose owner died: the kernel has freed their locks."""
    for folder in parent.glob("spool-*"):
        with suppress(OSError), (folder / ".lock").open("a") as lock:  # its owner lives, or is just leaving
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
