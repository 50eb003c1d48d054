"""What a server's message about a failed upload says: a URL that it could not download, or a file that it blames."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

_DOWNLOAD = re.compile(r"(?:Failed to download|Invalid URL:) (?P<url>\S+?)[.;]?(?= |$)")
"""Measured: "Failed to download URL. 404 - File not found" (1.0.0), "Failed to download URL; HTTP error 404" (2.73)."""
_OF_THE_SERVER = re.compile(r"\[Errno \d+\]")
"""An error of the server's own files: a full disk, a missing folder. The file that it names is sound."""


def failed_download(message: str) -> str | None:
    """Return the file name at the end of the URL that the server could not download; None for any other failure.

    The file may be sound: the URL may have expired, or the server's host may not reach the store.
    """
    found = _DOWNLOAD.search(message)
    return posixpath.basename(unquote(urlsplit(found["url"]).path)) if found else None


def blamed_file(message: str, names: Iterable[str]) -> str | None:
    """Return the file that the message blames, of the names that were uploaded; None if it blames none of them."""
    if _OF_THE_SERVER.search(message) or _DOWNLOAD.search(message):
        return None
    # The longest first: a.jpg also ends data/a.jpg. Without a suffix CVAT does not read a file, and `9` is any number.
    longest_first = sorted((name for name in names if "." in name), key=len, reverse=True)
    return next((name for name in longest_first if _is_named(name, message)), None)


def _is_named(name: str, message: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", message) is not None
