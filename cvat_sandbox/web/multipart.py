"""Multipart bodies, streamed to files: nothing larger than a text field is held in memory.

A body that ends before its Content-Length never reaches the application, as behind a proxy that buffers requests. A
body that the fault `short` cuts does: all of it up to there counts, also half of a file, as with Django's parser.
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

from cvat_sandbox.web.html_pages import BAD_REQUEST, HtmlPage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flask import Request

BLOCK_BYTES = 256 * 2**10
MAX_FIELDS_BYTES = 100 * 2**20
MAX_BODY_BYTES = 16 * 2**30
"""A larger upload is rejected, as by the proxy in front of the real server."""


class MultipartError(Exception):
    """The body is not a multipart form; the text is Django's."""


@dataclass
class UploadedForm:
    """The text fields of a form, and its files: field name to base name and file on disk."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, Path]] = field(default_factory=dict)
    temporary: list[Path] = field(default_factory=list)

    def keep(self, file: Path) -> None:
        """Exclude a file from `discard`."""
        self.temporary.remove(file)

    def discard(self) -> None:
        """Delete the files that were neither moved nor kept."""
        for file in self.temporary:
            file.unlink(missing_ok=True)


def read(request: Request, folder: Path, *, share: float = 1.0) -> UploadedForm:
    """Read the multipart body of a request; write its files into `folder`.

    share: the part of the body that is used, from 0 to 1; the rest is read and dropped.
    Raises MultipartError, and HtmlPage for a body that is too large or ends too early.
    """
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise HtmlPage(413, "<h1>413 Request Entity Too Large</h1>")
    boundary = request.mimetype_params.get("boundary", "")
    if not boundary:
        raise MultipartError("Multipart form parse error - Invalid boundary in multipart: None")
    decoder, collector = MultipartDecoder(boundary.encode("latin-1", "replace")), _Collector(folder)
    try:
        for block in _blocks(request, share):
            decoder.receive_data(block)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                collector.take(event)
        collector.finish()
    except BaseException as error:
        collector.finish()
        collector.upload.discard()
        if isinstance(error, ValueError):
            raise MultipartError(f"Multipart form parse error - {error}") from None
        raise
    return collector.upload


def _blocks(request: Request, share: float) -> Iterator[bytes]:
    """Yield the body in blocks; read and drop the rest after `share` of it."""
    stream, length, received = request.environ["wsgi.input"], request.content_length, 0
    used = int((length or 0) * share) if share < 1 else MAX_BODY_BYTES
    while length is None or received < length:
        block = _read_block(stream, BLOCK_BYTES if length is None else min(BLOCK_BYTES, length - received))
        if not block and length is not None:
            raise HtmlPage(400, BAD_REQUEST)
        if not block:
            return
        if received < used:
            yield block[: used - received]
        received += len(block)
        if received > MAX_BODY_BYTES:
            raise HtmlPage(400, BAD_REQUEST)


def _read_block(stream: IO[bytes], size: int) -> bytes:
    try:
        return stream.read(size)
    except (OSError, ValueError) as error:
        raise HtmlPage(400, BAD_REQUEST) from error


class _Collector:
    """Collects the fields and files of a form from the events of the decoder."""

    def __init__(self, folder: Path) -> None:
        self.upload = UploadedForm()
        self._folder = folder
        self._text = bytearray()
        self._fields_bytes = 0
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
            self._fields_bytes += len(event.data)
            if self._fields_bytes > MAX_FIELDS_BYTES:
                raise MultipartError("Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")
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
        """End the current part, complete or not."""
        if self._file is not None:
            self._file.close()
        elif self._name is not None:
            self.upload.fields[self._name] = self._text.decode("utf-8", "replace")
        self._file = self._name = None
        self._text.clear()


def base_name(filename: str) -> str:
    """Return the file name of a client as Django keeps it: without folders, at most 255 characters."""
    name = posixpath.basename(html.unescape(filename.rsplit("\\", 1)[-1]).strip().replace("\x00", ""))
    if len(name) > 255:
        stem, suffix = posixpath.splitext(name)
        name = stem[: 255 - len(suffix[:255])] + suffix[:255]
    return name


def indexed(prefix: str, names: Iterable[str]) -> list[str]:
    """Return the names `prefix[0]`, `prefix[1]`, … in the order of their numbers; other names are ignored."""
    found = [(int(match[1]), name) for name in names if (match := re.fullmatch(rf"{prefix}\[([0-9]+)\]", name))]
    return [name for _, name in sorted(found)]
