"""The share: a folder whose files a request may name instead of uploading them."""

from __future__ import annotations

import errno
import os
import posixpath
from pathlib import Path

from cvat_sandbox.state import media

MAX_NAME_BYTES = 255
MOUNT = "/home/django/share"
"""The path of the share on the real server, which its error messages name."""


class Share:
    """The folder that `server_files` name. No file outside of it is read, and no symbolic link leads out of it."""

    def __init__(self, root: Path | None) -> None:
        self._root = root.resolve() if root else None

    def choose(self, paths: list[str]) -> list[str]:
        """Return the normalised paths without those inside a folder that is listed too; raises ValueError for `..`."""
        wanted = []
        for path in paths:
            normal = posixpath.normpath(path).lstrip("/")
            if ".." in normal.split("/"):
                raise ValueError("Don't use '..' inside file paths")
            wanted.append(normal)
        wanted.sort(reverse=True)
        kept = (
            path
            for before, path in zip(["", *wanted], wanted, strict=False)
            if not posixpath.dirname(before).startswith(path)
        )
        return list(dict.fromkeys(kept))

    def path(self, name: str) -> Path:
        """Return the file of a name; raises ValueError for one outside of the share, OSError for one too long."""
        if self._root is None:
            return Path("/nonexistent") / name
        if any(len(part.encode(errors="surrogateescape")) > MAX_NAME_BYTES for part in name.split("/")):
            raise OSError(errno.ENAMETOOLONG, "File name too long", f"{MOUNT}/{name}")
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root):
            raise ValueError(f"Bad file path: {name}")
        return path

    def check(self, names: list[str]) -> None:
        """Raise FileNotFoundError, with the text of the real server, for the first file that is missing."""
        for name in names:
            if not self.path(name).exists():
                raise FileNotFoundError(f"[Errno 2] No such file or directory: '{MOUNT}/{name}'")

    def images(self, folder: str) -> list[tuple[str, Path]]:
        """Return the names and files of all images below a folder; raises ValueError for a link that leads out."""
        root = self.path(folder)
        files = [Path(at) / file for at, _, names in os.walk(root) for file in names if media.kind_of(file) == "image"]
        names = (posixpath.normpath(posixpath.join(folder, file.relative_to(root).as_posix())) for file in files)
        return [(name, self.path(name)) for name in names]

    def entries(self, folder: str) -> list[dict[str, str]] | None:
        """Return the entries of a folder with their types, or None when there is no such folder."""
        try:
            path = self.path(folder)
        except (OSError, ValueError):
            return None
        if self._root is None or not path.is_dir():
            return None
        kinds = (
            (entry.name, "REG" if entry.is_file() else "DIR" if entry.is_dir() else "") for entry in path.iterdir()
        )
        return [{"name": name, "type": kind} for name, kind in kinds if kind]
