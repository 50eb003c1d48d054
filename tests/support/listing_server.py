"""An S3 server whose bucket has any number of keys, computed per request: ListObjectsV2 and HEAD."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape

from tests.support.http_server import LOOPBACK, running

_HEAD = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def numbered(number: int) -> str:
    """Return the key of the n-th object."""
    return f"in/{number // 1000:06d}/{number:09d}.jpg"


def etag(number: int) -> str:
    """Return the ETag of the n-th object."""
    return f"{number:032x}"


class ListingServer(ThreadingHTTPServer):
    """A server whose every bucket has the `odd` keys and then `count` numbered objects, all below in/."""

    def __init__(self, count: int, odd: Sequence[str] = (), before_page: Callable[[int], None] | None = None) -> None:
        super().__init__(LOOPBACK, _Page)
        self.count, self.odd, self.before_page = count, odd, before_page
        self.pages = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def page(self, start: int, size: int) -> bytes:
        """Return a page of objects from the n-th on, as XML."""
        end = min(start + size, self.count)
        keys = [(key, "0" * 32) for key in self.odd] if start == 0 else []
        keys += [(numbered(n), etag(n)) for n in range(start, end)]
        contents = "".join(
            f"<Contents><Key>{escape(quote(key))}</Key><LastModified>2026-11-23T09:10:42.000Z</LastModified>"
            f"<ETag>&quot;{tag}&quot;</ETag><Size>1000</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key, tag in keys
        )
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < self.count else ""
        truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        return f"{_HEAD}<EncodingType>url</EncodingType>{truncated}{more}{contents}</ListBucketResult>".encode()


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ListingServer

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        assert "start-after" not in query, "this server lists from the beginning only"
        if self.server.before_page:
            self.server.before_page(self.server.pages)
        self.server.pages += 1
        body = self.server.page(int(query.get("continuation-token", 0)), int(query.get("max-keys", 1000)))
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        number = re.search(r"(\d{9})\.jpg$", urlsplit(self.path).path)
        exists = number is not None and int(number[1]) < self.server.count
        self.send_response(200 if exists else 404)
        if number is not None:
            self.send_header("ETag", f'"{etag(int(number[1]))}"')
        self.send_header("Last-Modified", "Mon, 23 Nov 2026 09:10:42 GMT")
        self.send_header("Content-Length", "1000")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def listing(
    count: int, odd: Sequence[str] = (), before_page: Callable[[int], None] | None = None
) -> Iterator[ListingServer]:
    """Run such a server in a thread; `before_page` is called with the number of pages served before."""
    with running(ListingServer(count, odd, before_page)) as server:
        yield server
