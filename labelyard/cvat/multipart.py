"""A multipart/form-data body that streams from files, with a length known beforehand.

httpx's own encoder wants every file open at once and cannot say how far it is. Names go out as browsers send them:
raw UTF-8, with quotes and control characters percent-encoded. A backslash, which servers read as the beginning of an
escape, goes out twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from labelyard.domain.tasks import UploadFile
from labelyard.errors import ImageError

CHUNK = 256 * 1024
"""Bytes read and sent at a time. Larger ones only make the socket layer copy more."""

_ESCAPES = str.maketrans({'"': "%22", "\\": "\\\\"} | {chr(code): f"%{code:02X}" for code in (*range(32), 127)})


@dataclass(frozen=True)
class Multipart:
    """Plain `fields`, then `files` as (field name, file), in the order given."""

    fields: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, UploadFile]]
    boundary: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def content_type(self) -> str:
        """The Content-Type header that goes with the body."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def length(self) -> int:
        """The exact number of bytes that `chunks` gives."""
        parts = sum(len(self._field(name, value)) for name, value in self.fields)
        files = sum(len(self._head(name, file)) + file.size + 2 for name, file in self.files)
        return parts + files + len(self._end())

    def chunks(self) -> Iterator[bytes]:
        """The body; raises ImageError where a file does not hold as many bytes as were announced.

        What stands between two files goes out with the next one's first bytes: a small write costs as much as a large.
        """
        between = b"".join(self._field(name, value) for name, value in self.fields)
        for name, file in self.files:
            between += self._head(name, file)
            for chunk in _exactly(file):
                yield between + chunk if between else chunk
                between = b""
            between += b"\r\n"
        yield between + self._end()

    def _field(self, name: str, value: str) -> bytes:
        head = f'--{self.boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"\r\n\r\n'
        return f"{head}{value}\r\n".encode()

    def _head(self, name: str, file: UploadFile) -> bytes:
        shown = f'name="{name.translate(_ESCAPES)}"; filename="{file.name.translate(_ESCAPES)}"'
        return (
            f"--{self.boundary}\r\nContent-Disposition: form-data; {shown}\r\nContent-Type: {file.content_type}\r\n\r\n"
        ).encode()

    def _end(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode()


def _exactly(file: UploadFile) -> Iterator[bytes]:
    """The bytes of `file`, no more and no fewer than its size: another number would break the whole request."""
    left = file.size
    with file.open() as stream:
        while chunk := stream.read(min(CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        held = "more" if left < 0 else f"{file.size - left}"
        raise ImageError(f"{file.size} bytes were announced, and it holds {held}", where=file.name)
