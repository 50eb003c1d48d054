"""A new release's folder: hidden while it is written, under its own name when all of it is there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelyard.errors import InputError
from labelyard.releases.manifest import MANIFEST


@contextmanager
def new_folder(to: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `to`, which gets this name at the end; after an error nothing is left.

    The next writer deletes what a killed process has left in the hidden folder. Raises InputError if `to` is not empty,
    if another process writes it, or if the disk refuses.
    """
    try:
        _require_new(to)
        own = to.resolve()
        hidden = own.with_name(f".{own.name}.unfinished")
        hidden.mkdir(parents=True, exist_ok=True)
        with _locked(hidden, to):
            _empty(hidden)
            try:
                yield hidden
                _publish(hidden, own)
            finally:
                shutil.rmtree(hidden, ignore_errors=True)
    except OSError as error:
        where = error.filename or to
        raise InputError(
            f"cannot be written: {error.strerror or error}", where=str(where),
            next_step="free some space, or name another folder that you can write to",
        ) from error  # fmt: skip


@contextmanager
def _locked(hidden: Path, to: Path) -> Iterator[None]:
    """Hold the lock of the hidden folder: the kernel releases that of a killed process."""
    descriptor = os.open(hidden, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(descriptor), hidden.stat())  # not renamed meanwhile
        except BlockingIOError:
            is_ours = False
        if not is_ours:
            raise InputError("another process is writing this release", where=str(to))
        yield
    finally:
        os.close(descriptor)


def _require_new(to: Path) -> None:
    if to.is_symlink() or (to.exists() and (not to.is_dir() or any(to.iterdir()))):
        what = "it is not empty" if to.is_dir() else "there is a file of this name"
        raise InputError(f"{what}: nothing of a release is overwritten", where=str(to), next_step="name a new folder")
    release = next((parent for parent in to.absolute().parents if (parent / MANIFEST).is_file()), None)
    if release:
        what = f"it is in the release {release}, which nothing is added to"
        raise InputError(what, where=str(to), next_step="name a folder outside of it")


def _empty(hidden: Path) -> None:
    for path in hidden.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _publish(hidden: Path, to: Path) -> None:
    """Give the folder its name, once the disk has all of it."""
    for path in [*hidden.rglob("*"), hidden]:
        _sync(path)
    _require_new(to)
    hidden.rename(to)  # replaces an empty folder
    _sync(to.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
