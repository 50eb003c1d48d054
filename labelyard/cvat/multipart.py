"""A multipart/form-data body that streams from files and knows its length in advance.

httpx's own encoder needs every file open at once and reports no progress. Names are encoded as browsers do: raw UTF-8,
with quotes and control characters percent-encoded. Backslashes are doubled, since servers unescape them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from labelyard.domain.tasks import UploadFile
from labelyard.errors import ImageError

CHUNK = 256 * 1024
"""Bytes per read and write; with larger ones the socket layer only copies more."""

_ESCAPES = str.maketrans({'"': "%22", "\\": "\\\\"} | {chr(code): f"%{code:02X}" for code in (*range(32), 127)})


@dataclass(frozen=True)
class Multipart:
    """Plain `fields`, then `files` as (field name, file), in the given order."""

    fields: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, UploadFile]]
    boundary: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def length(self) -> int:
        """The exact number of bytes that `chunks` yields."""
        parts = sum(len(self._field(name, value)) for name, value in self.fields)
        files = sum(len(self._head(name, file)) + file.size + 2 for name, file in self.files)
        return parts + files + len(self._end())

    def chunks(self) -> Iterator[bytes]:
        """Yield the body. Raises ImageError if a file's content does not have its stated size.

        The headers between two files are joined to the next chunk: a small write costs as much as a large one.
        """
        pending = b"".join(self._field(name, value) for name, value in self.fields)
        for name, file in self.files:
            pending += self._head(name, file)
            for chunk in _file_chunks(file):
                yield pending + chunk if pending else chunk
                pending = b""
            pending += b"\r\n"
        yield pending + self._end()

    def _field(self, name: str, value: str) -> bytes:
        head = f'--{self.boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"\r\n\r\n'
        return f"{head}{value}\r\n".encode()

    def _head(self, name: str, file: UploadFile) -> bytes:
        disposition = f'name="{name.translate(_ESCAPES)}"; filename="{file.name.translate(_ESCAPES)}"'
        headers = f"Content-Disposition: form-data; {disposition}\r\nContent-Type: {file.content_type}"
        return f"--{self.boundary}\r\n{headers}\r\n\r\n".encode()

    def _end(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode()


def _file_chunks(file: UploadFile) -> Iterator[bytes]:
    """Yield exactly `file.size` bytes: any other number would break the whole request."""
    left = file.size
    with file.open() as stream:
        while chunk := stream.read(min(CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        actual = "more" if left < 0 else f"{file.size - left}"
        raise ImageError(f"{file.size} bytes were expected, but it has {actual}", where=file.name)
