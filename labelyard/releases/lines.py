"""JSON documents of a release as lines: each item of a list is a line of its own.

So a document of any size is written, and read again, item by item; and people can compare two with `diff`.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from labelyard.errors import InputError

_AT_ONCE = 1000  # items that are written together
_PIECE = 1 << 20  # bytes

_DELETE = b"\x7f"
"""The one ASCII character that `json.dumps` escapes and other programs do not."""

_LIST = re.compile(rb'\{?"([a-z_]+)":\[\n')


def plain(item: bytes) -> bytes:
    """Return a JSON text without spaces between its values and with escapes outside of ASCII; numbers stay as they are.

    So the same content in another program's notation is the same text, and readers on any locale can read it. Raises
    ValueError for bytes that are no UTF-8.
    """
    if _has_spaces(item):
        item = msgspec.json.format(item, indent=-1)
    item = item.replace(_DELETE, b"\\u007f")
    return item if item.isascii() else item.decode().encode("ascii", "json-escapes")


def all_plain(texts: list[bytes]) -> list[bytes]:
    """Return what `plain` makes of each text. To look at all of them together is quicker than at each."""
    together = b"".join(texts)
    is_plain = together.isascii() and not _has_spaces(together) and _DELETE not in together
    return texts if is_plain else list(map(plain, texts))


def _has_spaces(text: bytes) -> bool:
    return b" " in text or b"\n" in text or b"\t" in text or b"\r" in text


def _escapes(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error("json-escapes", _escapes)


def dumped(value: Any) -> bytes:
    """Return a value as JSON: ASCII, without spaces, in the order of its keys."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


class Spool:
    """Items on their way into a list of a document; it can return to an earlier state.

    Closed, its items are in the files `paths`, in this order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.paths = [path]
        self.count = 0
        self._items: list[bytes] = []
        self._file: BinaryIO | None = None

    def add(self, item: bytes) -> None:
        """Add an item, as JSON."""
        self.extend((item,))

    def extend(self, items: Sequence[bytes]) -> None:
        """Add items."""
        self._items.extend(items)
        self.count += len(items)
        if len(self._items) >= _AT_ONCE:
            self._flush()

    def state(self) -> tuple[int, int]:
        """Return the state to which `reset` can return."""
        self._flush()
        return self.count, self._file.tell() if self._file else 0

    def reset(self, state: tuple[int, int]) -> None:
        """Remove everything that was added since this state."""
        self._items.clear()
        self.count, size = state
        if self._file:
            self._file.seek(size)
            self._file.truncate()

    def follow(self, other: Spool) -> None:
        """Let the items of another spool, which is closed, come after those of this one. Then nothing more is added."""
        self.paths += other.paths
        self.count += other.count

    def discard(self) -> None:
        """Delete all items."""
        self.close()
        for path in self.paths:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        if self._file:
            self._file.close()
            self._file = None

    def _flush(self) -> None:
        if self._items:
            if self._file is None:
                self._file = self.path.open("wb", buffering=_PIECE)
            self._items.append(b"")
            self._file.write(b",\n".join(self._items))
            self._items.clear()


@dataclass(frozen=True, slots=True)
class Digest:
    """The size and the SHA-256 of a file."""

    size: int
    sha256: str


class _HashedFile:
    """A file for writing, hashed at the same time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash, self._size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        """Write some bytes."""
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def digest(self) -> Digest:
        """Return the size and hash of what was written."""
        return Digest(self._size, self._hash.hexdigest())


def write_document(path: Path, fields: Mapping[str, Any], lists: Mapping[str, Spool]) -> Digest:
    """Write the fields, each on a line, and the items of closed spools, whose files are deleted."""
    with path.open("wb") as file:
        out = _HashedFile(file)
        start = b"{"
        for name, value in fields.items():
            out.write(start + b'"%s":%s' % (name.encode(), dumped(value)))
            start = b",\n"
        for name, spool in lists.items():
            out.write(start + b'"%s":[\n' % name.encode())
            if spool.count:
                _copy(spool.paths, out)
            out.write(b"]")
            start = b",\n"
        out.write(b"}\n")
    return out.digest()


def _copy(paths: Sequence[Path], out: _HashedFile) -> None:
    """Copy the files of a spool, without the last comma."""
    found = [path for path in paths if path.exists()]
    left = sum(path.stat().st_size for path in found) - len(b",\n")
    for path in found:
        with path.open("rb") as spool:
            while piece := spool.read(min(_PIECE, left)):
                out.write(piece)
                left -= len(piece)
        path.unlink()
    out.write(b"\n")


def digest_of(path: Path) -> Digest:
    """Return the size and the SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Digest(file.tell(), digest)


def items(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the items, as JSON, of each list of a document that `write_document` wrote, with the list's name.

    Raises InputError if it is not written in lines.
    """
    part = None
    with path.open("rb") as file:
        for line in file:
            if part is None:
                found = _LIST.fullmatch(line)
                part = found[1].decode() if found else None
            elif line[:1] == b"]":
                part = None
            else:
                yield part, line[:-2] if line[-2:-1] == b"," else line[:-1]
    if part is not None:
        raise InputError("the file ends in the middle", where=str(path))


def items_of(path: Path, part: str) -> Iterator[bytes]:
    """Yield the items of one list of such a document."""
    seen = False
    for name, item in items(path):
        if name == part:
            seen = True
            yield item
        elif seen:
            return


def fields(path: Path) -> dict[str, Any]:
    """Return the fields of a document that `write_document` wrote, without its lists of items.

    Raises InputError if it is not written in lines.
    """
    found: dict[str, Any] = {}
    with path.open("rb") as file:
        for line in file:
            if _LIST.fullmatch(line):
                break
            text = (line if found else line.removeprefix(b"{")).strip().removesuffix(b",")
            try:
                found |= json.loads(b"{" + text + b"}")
            except (ValueError, RecursionError) as error:
                raise InputError(f"not a file of a release: {error}", where=str(path)) from error
    return found
