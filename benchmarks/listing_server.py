"""An S3 endpoint whose buckets contain any number of keys, created when they are asked for: ListObjectsV2 and HEAD.

python benchmarks/listing_server.py 1000000     # prints its address and serves until it is ended
"""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

_START = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def key(number: int) -> str:
    """Return the key of the n-th object."""
    return f"in/{number // 1000:06d}/{number:09d}.jpg"


def etag(number: int) -> str:
    """Return the ETag of the n-th object."""
    return f"{number:032x}"


class ListingServer(ThreadingHTTPServer):
    """A server on a free port; every bucket contains `count` objects."""

    daemon_threads = True

    def __init__(self, count: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.count = count

    def page(self, start: int, size: int) -> bytes:
        """Return the objects from the n-th on, as XML."""
        end = min(start + size, self.count)
        contents = "".join(
            f"<Contents><Key>{quote(key(n))}</Key><LastModified>2026-11-23T09:10:42.000Z</LastModified>"
            f"<ETag>&quot;{etag(n)}&quot;</ETag><Size>1000</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(start, end)
        )
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < self.count else ""
        truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        return f"{_START}<EncodingType>url</EncodingType>{truncated}{more}{contents}</ListBucketResult>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ListingServer

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        body = self.server.page(int(query.get("continuation-token", 0)), int(query.get("max-keys", 1000)))
        self._send_headers(200, {"Content-Type": "application/xml", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        number = re.search(r"(\d{9})\.jpg$", urlsplit(self.path).path)
        if number is None or int(number[1]) >= self.server.count:
            self._send_headers(404, {"Content-Length": "0"})
            return
        headers = {"ETag": f'"{etag(int(number[1]))}"', "Last-Modified": "Mon, 23 Nov 2026 09:10:42 GMT"}
        self._send_headers(200, {**headers, "Content-Length": "1000"})

    def _send_headers(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ListingServer(int(sys.argv[1]))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
