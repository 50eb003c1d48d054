"""The requests, pauses and responses that a dialect exchanges with the runner.

A verb of a dialect is a generator without I/O: it yields a `Request` or a `Pause`, receives a `Response` for each, and
returns the verb's value. `labelyard.cvat.runner` drives it over HTTP; tests step it manually with recordings.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from labelyard.domain.tasks import UploadFile

T = TypeVar("T")


class Body(Protocol):
    """A request body of known length that can be sent more than once."""

    @property
    def content_type(self) -> str:
        """The Content-Type header."""

    @property
    def length(self) -> int:
        """The exact number of bytes that `chunks` yields."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the body, from its first byte at each call."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `path` starts at the server's root.

    `idempotent`: sending it twice has the same effect as sending it once. `anonymous`: it is sent without a token.
    `save_to`: the file that receives the body of a 200. `timeout`: seconds that the response may take, None for the
    client's default. `of_space`: it lists what belongs to the client's organization, or without one to its account
    alone. Bodies are not in the repr, since a login is one.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    json: Any = field(default=None, repr=False)
    body: Body | None = field(default=None, repr=False)
    idempotent: bool = False
    anonymous: bool = False
    save_to: Path | None = None
    timeout: float | None = None
    of_space: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next request; `last_seen` is the server's last status, for the error of a passed deadline."""

    seconds: float
    last_seen: str


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response. Header names are in lower case; `content` is empty if the body was saved to `save_to`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = field(default=b"", repr=False)


PAUSED = Response(status=0)
"""What a dialect receives after a Pause."""

Exchange = Generator[Request | Pause, Response, T]
"""A running verb, which returns a T."""


UPLOAD_RATE = 500_000
"""Bytes per second of the slowest upload that does not time out."""


def upload_timeout(files: Sequence[UploadFile]) -> float:
    """Seconds that the response to an upload may take: the server reads all of it before it responds."""
    return 120 + sum(file.size for file in files) / UPLOAD_RATE


def poll_intervals() -> Iterator[float]:
    """Seconds between two polls, without end: short at first, since most exports take less than a second."""
    seconds = 0.1
    while True:
        yield seconds
        seconds = min(seconds * 1.5, 3.0)
