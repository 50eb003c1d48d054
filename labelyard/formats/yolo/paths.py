"""Paths of images within a dataset that every reader of YOLO files maps to a label file of its own."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import count

_LONGEST = 200
"""Bytes of a part of a path, without what is added: file systems take 255."""

_DRIVE = re.compile(r"^[A-Za-z]:")


def image_paths(names: Iterable[str]) -> list[str]:
    """Return for each image name its path below `images/train`, which is the name itself where that is possible.

    Paths leave no folder, and no two have the same label file, on a file system that ignores case neither.
    """
    taken = _Taken()
    return [taken.add(sound(name)) for name in names]


def label_path(path: str) -> str:
    """Return the path of an image's label file below `labels/train`."""
    return path.rpartition(".")[0] + ".txt"


def is_within(path: str) -> bool:
    """Return whether a path stays below its folder, on every system."""
    parts = path.split("/")
    return path.isprintable() and "\\" not in path and not any(
        part in ("", ".", "..") or _DRIVE.match(part) for part in parts
    )  # fmt: skip


def sound(name: str) -> str:
    """Return a name without what readers misunderstand; it has an ending."""
    *folders, file = [_part(part) for part in name.replace("\\", "_").split("/")]
    # Readers cut a path at its last dot, wherever that is: each name needs an ending.
    stem, _, ending = file.rpartition(".")
    if not stem:
        stem, ending = file.replace(".", "_"), "jpg"
    return "/".join([*map(_short, folders), f"{_short(stem)}.{_short(ending)}"])


def _part(part: str) -> str:
    """Return a part of a path without what readers misunderstand.

    They put "/labels/" in the place of "/images/", and their folder in that of "./". A line of `train.txt` ends at any
    line break of Unicode.
    """
    shown = "".join(char if char.isprintable() else "_" for char in part).strip().rstrip(". ")
    shown = _DRIVE.sub(lambda drive: f"{drive[0][0]}_", shown)
    return "images_" if shown == "images" else shown or "_"


def _short(part: str) -> str:
    encoded = part.encode(errors="replace")
    if len(encoded) <= _LONGEST:
        return part
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[:_LONGEST].decode(errors='ignore').strip()}~{digest}"


class _Taken:
    """The files and folders so far, as file systems compare them that ignore case and the forms of Unicode."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, path: str) -> str:
        """Return the path, with a number where one of its folders or its label file would take another one's place."""
        *folders, file = path.split("/")
        folder_path = ""
        for folder in folders:
            folder_path = next(one for one in _numbered(folder_path + folder) if _compared(one) not in self._files)
            self._folders.add(_compared(folder_path))
            folder_path += "/"
        stem, _, ending = file.rpartition(".")
        found = next(one for one in _numbered(folder_path + stem, f".{ending}") if self._is_free(one))
        self._files |= {_compared(found), _compared(label_path(found))}
        return found

    def _is_free(self, path: str) -> bool:
        label = _compared(label_path(path))
        return label not in self._files and not {label, _compared(path)} & self._folders


def _numbered(start: str, end: str = "") -> Iterator[str]:
    yield start + end
    yield from (f"{start}~{number}{end}" for number in count(2))


def _compared(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
