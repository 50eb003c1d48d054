"""Paths for the files of images in a dataset: names from outside, made safe and unique."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

_NOT_PORTABLE = frozenset('\\:*?"<>|')  # Windows cannot have them in names, and reads some as parts of a path
_MAX_BYTES = 200  # file systems keep 255 of a name; a number and an ending come after it


def file_paths(names: Iterable[str], ending: str = "") -> list[str]:
    """Return for each name a relative path, which differs from the name only where it must.

    With `ending`, that of the name is left out, and files with this one will be written. No path leaves its folder.
    No two are the same file, on disks that ignore upper and lower case too, and none is a folder of another one.
    """
    taken = _Taken(ending)
    return [taken.add(_safe(_without_ending(name) if ending else name)) for name in names]


def _without_ending(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{PurePosixPath(last).stem or last}"


def _safe(name: str) -> str:
    parts = [_safe_part(part) for part in name.split("/") if part not in ("", ".")]
    return "/".join(parts) or "_"


def _safe_part(part: str) -> str:
    text = "".join("_" if char in _NOT_PORTABLE or not char.isprintable() else char for char in part)
    text = text.encode()[:_MAX_BYTES].decode(errors="ignore")
    trimmed = text.strip().rstrip(".")  # Windows drops dots at the end, and readers of lists strip their lines
    return trimmed if trimmed == text else f"{trimmed}_"


class _Taken:
    """The paths that are in use; `ending` is that of all files."""

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._numbers: dict[str, int] = {}

    def add(self, path: str) -> str:
        """Return the path, or one like it that is free."""
        if any(folder in self._files for folder in self._parents(path)):
            path = _safe_part(path.replace("/", "_"))
        found = path
        while not self._is_free(found):
            number = self._numbers[path] = self._numbers.get(path, 1) + 1
            found = _numbered(path, number, self._ending)
        self._files.add(_key(found + self._ending))
        self._folders.update(self._parents(found))
        return found

    def _is_free(self, path: str) -> bool:
        key = _key(path + self._ending)
        return key not in self._files and key not in self._folders

    def _parents(self, path: str) -> list[str]:
        return [_key(str(parent)) for parent in PurePosixPath(path).parents][:-1]


def _key(path: str) -> str:
    """Return what two paths have in common that some disk takes for one."""
    return unicodedata.normalize("NFC", path).casefold()


def _numbered(path: str, number: int, ending: str) -> str:
    """Return `a/b-2`, or `a/b-2.jpg` if the path has an ending of its own."""
    if ending:
        return f"{path}-{number}"
    own = PurePosixPath(path)
    return str(own.with_name(f"{own.stem}-{number}{own.suffix}"))
