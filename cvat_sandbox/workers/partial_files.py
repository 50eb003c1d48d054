"""Files that arrive piece by piece, for imports. They are in memory by name, and lost at the end of the process."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from pathlib import Path


@dataclass
class PartialFile:
    """A file of which pieces may be missing."""

    subject: str
    """What it is for; `tasks/1`."""
    file: Path
    length: int
    received: int = 0


class PartialFiles:
    """The files that have been begun and not been taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, PartialFile] = {}
        self._lock = threading.Lock()

    def begin(self, subject: str, user_id: int, length: int) -> str:
        """Begin a file and return its name."""
        key = f"{user_id}_{uuid.uuid4()}"
        file = self._folder / f"{key}.pieces"
        file.touch()
        self._files[key] = PartialFile(subject, file, length)
        return key

    def find(self, subject: str, key: str) -> PartialFile | None:
        """Return a file, or None if there is none of this name for the subject."""
        found = self._files.get(key)
        return found if found is not None and found.subject == subject else None

    def append(self, found: PartialFile, piece: bytes) -> int:
        """Add a piece to a file and return the number of bytes that are there."""
        with self._lock, found.file.open("ab") as out:
            out.write(piece)
            found.received += len(piece)
            return found.received

    def take(self, subject: str, key: str) -> Path | None:
        """Return the path of a file and forget it; None if it is unknown or pieces are missing."""
        found = self.find(subject, key)
        if found is None or found.received < found.length:
            return None
        del self._files[key]
        return found.file
