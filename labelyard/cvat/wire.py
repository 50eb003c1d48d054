"""What a dialect and the runner say to each other.

A verb of a dialect is a generator without I/O: it yields `Request`s and `Pause`s, is sent an `Answer` for each, and
returns the verb's value. `labelyard.cvat.client` drives it over HTTP; a test drives it by hand, with recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from labelyard.cvat.refusals import refusal
from labelyard.domain.tasks import UploadFile

T = TypeVar("T")


class Body(Protocol):
    """A request body that can be sent more than once, and whose length is known before it is read."""

    @property
    def content_type(self) -> str:
        """Its Content-Type header."""

    @property
    def length(self) -> int:
        """The exact number of bytes that `chunks` gives."""

    def chunks(self) -> Iterator[bytes]:
        """The body from its first byte, read anew."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` starts at the server's root; bodies never show in a repr, since a login is one.

    `repeatable` says that sending it twice does what sending it once does. A 200's body goes to the file `save_to`
    where that is given. `patience` is how many seconds the answer may take, None for the client's usual.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    json: Any = field(default=None, repr=False)
    body: Body | None = field(default=None, repr=False)
    repeatable: bool = False
    anonymous: bool = False
    save_to: Path | None = None
    patience: float | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next request. `seen` is what the server showed last: a passed deadline repeats it."""

    seconds: float
    seen: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case; `content` is empty where the body went to `save_to`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = field(default=b"", repr=False)


WAITED = Answer(status=0)
"""What a dialect is sent after a Pause."""

Steps = Generator[Request | Pause, Answer, T]
"""A verb under way."""


def ask(request: Request, also: Callable[[Answer], bool] = lambda _: False) -> Steps[Answer]:
    """Send `request`; the answer if it is a success, or one that `also` wants to see. Raises a CvatError otherwise."""
    answer = yield request
    if 200 <= answer.status < 300 or also(answer):
        return answer
    raise refusal(str(request), answer)


UPLOAD_RATE = 500_000
"""Bytes a second below which an upload's answer counts as overdue."""


def upload_patience(files: Sequence[UploadFile]) -> float:
    """Seconds that the answer to an upload may take: the server reads it all before it says a word."""
    return 120 + sum(file.size for file in files) / UPLOAD_RATE


def growing_pauses() -> Iterator[float]:
    """Seconds to wait between two looks, without end: short at first, since most exports take less than a second."""
    seconds = 0.1
    while True:
        yield seconds
        seconds = min(seconds * 1.5, 3.0)
