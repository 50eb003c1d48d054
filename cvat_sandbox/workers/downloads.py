"""Downloads of remote files, from allowed servers only."""

from __future__ import annotations

import http.client
import ipaddress
import posixpath
import socket
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from cvat_sandbox.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_SECONDS = 30


@dataclass(frozen=True)
class Downloader:
    """Downloads the URLs of `remote_files`: from the allowed servers, without redirects, within limits."""

    allowed: frozenset[str] = frozenset()
    """`host:port` of each allowed server."""
    max_bytes: int = 2 * 2**30
    max_seconds: float = 120.0
    context: ssl.SSLContext | None = field(default=None, compare=False)

    def fetch(self, urls: list[str], folder: Path, report: Callable[[str], None]) -> list[tuple[str, Path]]:
        """Download every URL into `folder` and return the names and files.

        report: called with each URL before its download. Raises DownloadError, and ValueError for what is no URL.
        """
        fetched: dict[str, Path] = {}
        for number, url in enumerate(urls):
            parts = urlsplit(url)
            if not parts.scheme:
                raise ValueError(f"unknown url type: {url!r}")
            name = posixpath.basename(unquote(parts.path))
            if name in fetched:
                raise DownloadError(f"filename collision: {name}")
            report(url)
            self._download(url, parts, folder / f"remote-{number:06d}")
            fetched[name] = folder / f"remote-{number:06d}"
        return list(fetched.items())

    def _download(self, url: str, parts: SplitResult, target: Path) -> None:
        try:
            connection = self._connect(parts)
            path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
            connection.request("GET", path, headers={"User-Agent": "Mozilla/5.0"})
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise DownloadError.of_status(url, response.status, response.reason)
            self._write(response, target)
            connection.close()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise DownloadError(f"Invalid URL: {url}. {error}") from None

    def _connect(self, parts: SplitResult) -> http.client.HTTPConnection:
        """Connect to the address of an allowed server. The name is resolved once, so it cannot change between."""
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        if not port or f"{parts.hostname}:{port}" not in self.allowed:
            raise DownloadError(f"{parts.hostname}:{port} is not among the servers of --allow-remote")
        address = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)[0][4][0]
        ip = str(ipaddress.ip_address(str(address).split("%")[0]))
        connected = socket.create_connection((ip, port), timeout=CONNECT_SECONDS)
        host = str(parts.hostname)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = self.context or ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=context)
            connection.sock = context.wrap_socket(connected, server_hostname=host)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
            connection.sock = connected
        return connection

    def _write(self, response: http.client.HTTPResponse, target: Path) -> None:
        deadline, left = time.monotonic() + self.max_seconds, self.max_bytes
        with target.open("wb") as out:
            while block := response.read1(2**16):
                left -= len(block)
                if left < 0 or time.monotonic() > deadline:
                    raise DownloadError(f"more than {self.max_bytes} bytes or {self.max_seconds:.0f} seconds")
                out.write(block)
