"""Files that the server fetches by itself: from its share, and from other servers."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import os
import posixpath
import socket
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from cvat_sandbox import media
from cvat_sandbox.answers import WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_PART = 255  # bytes
SHOWN = "/home/django/share"
"""Where the real server would have its share: only ever seen in error messages."""


class Share:
    """The folder that server_files name; nothing outside of it is ever read, not by a link either."""

    def __init__(self, root: Path | None) -> None:
        self._root = root.resolve() if root else None

    def choose(self, paths: list[str]) -> list[str]:
        """The normal form of the paths, without those that lie in another one's folder; ValueError."""
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
        """The file of a name; ValueError when it lies outside, OSError when no file can have it."""
        if self._root is None:
            return Path("/nonexistent") / name
        if any(len(part.encode(errors="surrogateescape")) > LONGEST_PART for part in name.split("/")):
            raise OSError(errno.ENAMETOOLONG, "File name too long", f"{SHOWN}/{name}")
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root):
            raise ValueError(f"Bad file path: {name}")
        return path

    def check(self, names: list[str]) -> None:
        """Raise FileNotFoundError, in the real server's words, for the first file that is missing."""
        for name in names:
            if not self.path(name).exists():
                raise FileNotFoundError(f"[Errno 2] No such file or directory: '{SHOWN}/{name}'")

    def images(self, folder: str) -> list[tuple[str, Path]]:
        """The images below a folder, as (name, file)."""
        root = self.path(folder)
        files = [Path(at) / file for at, _, names in os.walk(root) for file in names if media.kind_of(file) == "image"]
        found = [
            (posixpath.normpath(posixpath.join(folder, file.relative_to(root).as_posix())), file) for file in files
        ]
        return [(name, self.path(name)) for name, _ in found]

    def listing(self, folder: str) -> list[dict[str, str]] | None:
        """The entries of a folder as the API shows them; None when there is no such folder."""
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


class FetchError(WorkerError):
    """A remote file could not be had."""


@dataclass(frozen=True)
class Remote:
    """Downloads of remote_files: from the named servers only, without redirects, within limits."""

    allowed: frozenset[str] = frozenset()
    """`host:port`"""
    largest: int = 2 * 2**30
    seconds: float = 120.0
    context: ssl.SSLContext | None = field(default=None, compare=False)

    def fetch(self, urls: list[str], folder: Path, say: Callable[[str], None]) -> list[tuple[str, Path]]:
        """Download every URL into `folder`; (name, file) each. Raises FetchError."""
        fetched: dict[str, Path] = {}
        for place, url in enumerate(urls):
            parts = urlsplit(url)
            if not parts.scheme:
                raise ValueError(f"unknown url type: {url!r}")
            name = posixpath.basename(unquote(parts.path))
            if name in fetched:
                raise FetchError(f"filename collision: {name}")
            say(url)
            self._download(url, parts, folder / f"remote-{place:06d}")
            fetched[name] = folder / f"remote-{place:06d}"
        return list(fetched.items())

    def _download(self, url: str, parts: SplitResult, target: Path) -> None:
        try:
            connection = self._connect(parts)
            connection.request(
                "GET",
                parts._replace(scheme="", netloc="", fragment="").geturl() or "/",
                headers={"User-Agent": "Mozilla/5.0"},
            )
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise FetchError(f"Failed to download {url}. {response.status} - {response.reason}")
            self._store(response, target)
            connection.close()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise FetchError(f"Invalid URL: {url}. {error}") from None

    def _connect(self, parts: SplitResult) -> http.client.HTTPConnection:
        """A connection to the one address that the name has now."""
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        if not port or f"{parts.hostname}:{port}" not in self.allowed:
            raise FetchError(f"{parts.hostname}:{port} is not among the servers of --allow-remote")
        address = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)[0][4][0]
        connected = socket.create_connection((str(ipaddress.ip_address(str(address).split("%")[0])), port), timeout=30)
        host = str(parts.hostname)
        if parts.scheme == "https":
            context = self.context or ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=30, context=context
            )
            connection.sock = context.wrap_socket(connected, server_hostname=host)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=30)
            connection.sock = connected
        return connection

    def _store(self, response: http.client.HTTPResponse, target: Path) -> None:
        deadline, left = time.monotonic() + self.seconds, self.largest
        with target.open("wb") as out:
            while block := response.read1(2**16):
                left -= len(block)
                if left < 0 or time.monotonic() > deadline:
                    raise FetchError(f"more than {self.largest} bytes or {self.seconds:.0f} seconds")
                out.write(block)
