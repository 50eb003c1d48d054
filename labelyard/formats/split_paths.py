"""Paths of the images of a release in a format that has a file of its own for each: none is that of two images."""

from __future__ import annotations

import hashlib
import unicodedata
from array import array
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

_Hashes = npt.NDArray[np.uint64]


class SplitPaths:
    """Gives each image a path: its name as `sound` returns it, with its id where a reader would confuse two images.

    `ending` is that of the files beside the images. It keeps 16 bytes for each image, and names only that occur twice.
    """

    def __init__(self, names: Iterable[str], sound: Callable[[str], str], ending: str) -> None:
        self._sound, self._ending = sound, ending
        images, files, folders = array("Q"), array("Q"), array("Q")
        last = ""
        for name in names:
            path = sound(name)
            images.append(_hash(path))
            files.append(_hash(self._file(path)))
            folder = path.rpartition("/")[0]
            if folder != last:  # images of one folder come together
                folders.extend(_hash(str(one)) for one in PurePosixPath(path).parents if one.name)
                last = folder
        self._files = np.sort(np.array(files, np.uint64))
        in_the_way = np.concatenate([
            self._files[1:][self._files[1:] == self._files[:-1]], _common(files, folders), _common(images, folders),
        ])  # fmt: skip
        self._contested = frozenset(map(int, in_the_way))

    def path(self, number: int, name: str) -> str:
        """Return the path of an image, given its id and its name."""
        path = self._sound(name)
        if self._contested.isdisjoint((_hash(path), _hash(self._file(path)))):
            return path
        own = PurePosixPath(path)
        while True:
            own = own.with_name(f"{own.stem}~{number}{own.suffix}")
            if not self._is_taken(_hash(self._file(str(own)))):
                return str(own)

    def _file(self, path: str) -> str:
        return str(PurePosixPath(path).with_suffix(self._ending))

    def _is_taken(self, wanted: int) -> bool:
        position = int(np.searchsorted(self._files, np.uint64(wanted)))
        return position < self._files.size and int(self._files[position]) == wanted


def _hash(path: str) -> int:
    """Return 64 bits that are the same for paths that some disk takes for one."""
    same = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    return int.from_bytes(hashlib.blake2b(same.encode(errors="surrogatepass"), digest_size=8).digest())


def _common(paths: array[int], folders: array[int]) -> _Hashes:
    return np.intersect1d(np.array(paths, np.uint64), np.array(folders, np.uint64))
