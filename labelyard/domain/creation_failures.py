"""What a server's message about a failed upload says: what it could not read of the store, or a file that it blames."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

_DOWNLOAD = re.compile(r"(?:Failed to download |Invalid URL: |endpoint URL: \")(?P<url>\S+?)[\".;]*(?= |$)")
"""Measured: "Failed to download URL. 404 - File not found" (1.0.0), "Failed to download URL; HTTP error 404" (2.73).

The last one is botocore's, if a cloud storage does not answer.
"""
_CLOUD = re.compile(r"[Ff]ile '(?P<key>.+?)' (?:not found on the cloud storage|on the '.*' cloud storage is denied)")
"""What 2.x says of each file of a cloud storage that it could not read: an outage of the store is "not found", too."""
_OF_THE_SERVER = re.compile(r"\[Errno \d+\]")
"""An error of the server's own files: a full disk, a missing folder. The file that it names is sound."""


def failed_download(message: str) -> str | None:
    """Return the file that the server could not read from the store; None for any other failure.

    It is the name at the end of the URL, or the key in a cloud storage. The file may be sound: the URL may have
    expired, the store may have been away, or the server's host may not reach it.
    """
    if (in_cloud := _CLOUD.search(message)) is not None:
        return in_cloud["key"]
    found = _DOWNLOAD.search(message)
    return posixpath.basename(unquote(urlsplit(found["url"]).path)) if found else None


def blamed_file(message: str, names: Iterable[str]) -> str | None:
    """Return the file that the message blames, of the names that were uploaded; None if it blames none of them."""
    if any(pattern.search(message) for pattern in (_OF_THE_SERVER, _DOWNLOAD, _CLOUD)):
        return None
    # The longest first: a.jpg also ends data/a.jpg. Without a suffix CVAT does not read a file, and `9` is any number.
    longest_first = sorted((name for name in names if "." in name), key=len, reverse=True)
    return next((name for name in longest_first if _is_named(name, message)), None)


def _is_named(name: str, message: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", message) is not None
