"""Multipart bodies, streamed to files: nothing larger than a text field is held in memory.

A body that ends before its Content-Length never reaches the application, as behind a proxy that buffers. A body cut
by the `short` fault does: what came so far counts, a half file too, as with Django's parser.
"""

from __future__ import annotations

import html
import os
import posixpath
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from cvat_sandbox.answers import Page, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Request

BLOCK = 256 * 2**10
LARGEST_FIELDS = 100 * 2**20
LARGEST_BODY = 16 * 2**30
"""A larger upload is refused, as the proxy before the real server would."""


class ConnectionGone(Exception):
    """The client left before the end of its body."""


@dataclass
class Upload:
    """The fields of a form and the files in it: name of the field -> (base name, file on disk)."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, Path]] = field(default_factory=dict)
    temporary: list[Path] = field(default_factory=list)

    def discard(self) -> None:
        """Remove the files that nobody has taken over."""
        for file in self.temporary:
            file.unlink(missing_ok=True)


def read(request: Request, folder: Path, *, share: float = 1.0) -> Upload:
    """The parsed multipart body of a request, its files in `folder`.

    share: how much of the body counts; the rest is read and dropped.
    Raises Refusal for what is no multipart body, Page when it is too large, ConnectionGone when it ends too early.
    """
    if (request.content_length or 0) > LARGEST_BODY:
        raise Page(413, "<h1>413 Request Entity Too Large</h1>")
    boundary = request.mimetype_params.get("boundary", "")
    if not boundary:
        raise Refusal(400, {"detail": "Multipart form parse error - Invalid boundary in multipart: None"})
    decoder, collected = MultipartDecoder(boundary.encode("latin-1", "replace")), _Collector(folder)
    try:
        for block in _blocks(request, share):
            decoder.receive_data(block)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                collected.take(event)
        collected.finish()
    except BaseException as error:
        collected.finish()
        collected.upload.discard()
        if isinstance(error, ValueError):
            raise Refusal(400, {"detail": f"Multipart form parse error - {error}"}) from None
        raise
    return collected.upload


def _blocks(request: Request, share: float) -> Iterator[bytes]:
    """The body in blocks; the part behind `share` of it is consumed in silence."""
    stream, length, received = request.environ["wsgi.input"], request.content_length, 0
    counts = int((length or 0) * share) if share < 1 else LARGEST_BODY
    while length is None or received < length:
        wanted = BLOCK if length is None else min(BLOCK, length - received)
        try:
            block = stream.read(wanted)
        except (OSError, ValueError) as error:
            raise ConnectionGone from error
        if not block and length is not None:
            raise ConnectionGone
        if not block:
            return
        if received < counts:
            yield block[: counts - received]
        received += len(block)
        if received > LARGEST_BODY:
            raise ConnectionGone


class _Collector:
    def __init__(self, folder: Path) -> None:
        self.upload = Upload()
        self._folder = folder
        self._text = bytearray()
        self._texts = 0
        self._file: IO[bytes] | None = None
        self._name: str | None = None

    def take(self, event: Event) -> None:
        if isinstance(event, File):
            self.finish()
            self._open(event)
        elif isinstance(event, Field):
            self.finish()
            self._name = event.name or ""
        elif isinstance(event, Data) and self._file is not None:
            self._file.write(event.data)
        elif isinstance(event, Data) and self._name is not None:
            self._texts += len(event.data)
            if self._texts > LARGEST_FIELDS:
                raise Refusal(400, {"detail": "Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE."})
            self._text += event.data

    def _open(self, event: File) -> None:
        name = base_name(event.filename)
        if not name:
            return
        handle, path = tempfile.mkstemp(dir=self._folder)
        self._file = os.fdopen(handle, "wb")
        self.upload.temporary.append(Path(path))
        self.upload.files[event.name or ""] = (name, Path(path))

    def finish(self) -> None:
        """End the part at hand, whole or not."""
        if self._file is not None:
            self._file.close()
        elif self._name is not None:
            self.upload.fields[self._name] = self._text.decode("utf-8", "replace")
        self._file = self._name = None
        self._text.clear()


def base_name(filename: str) -> str:
    """A client's file name as Django keeps it: without folders, at most 255 characters."""
    name = posixpath.basename(html.unescape(filename.rsplit("\\", 1)[-1]).strip().replace("\x00", ""))
    if len(name) > 255:
        stem, suffix = posixpath.splitext(name)
        name = stem[: 255 - len(suffix[:255])] + suffix[:255]
    return name


def indexed(prefix: str, names: Iterator[str] | list[str]) -> list[str]:
    """Those of the names that are `prefix[0]`, `prefix[1]`, …, by their numbers; any other is ignored."""
    found = [(int(match[1]), name) for name in names if (match := re.fullmatch(rf"{prefix}\[([0-9]+)\]", name))]
    return [name for _, name in sorted(found)]
