"""One request over HTTP: httpx's failures become the errors that say what may have happened on the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlsplit

import httpx

from labelyard.cvat.error_responses import one_line
from labelyard.cvat.exchange import Body, Request, Response
from labelyard.errors import CvatDisagrees, CvatError, CvatUnreachable, InputError, UnclearAnswer, redact
from labelyard.metrics import count_cvat_response

MAX_CONTENT_BYTES = 512 * 1024**2
"""Bytes of a response that is read into memory."""


class HttpTransport:
    """The connections to one server; may be shared by threads. `timeout` is in seconds, for one silent request."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = _origin(url)
        # No cookies: a second login with the session of the first is rejected as a forgery (403 CSRF).
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        # Idle connections are dropped before gunicorn does it (2 s): a POST over a closed one has no response.
        limits = httpx.Limits(max_connections=32, keepalive_expiry=1.0)
        timeouts = httpx.Timeout(timeout, connect=min(timeout, 10.0))
        self._http = httpx.Client(base_url=self.url, cookies=no_cookies, timeout=timeouts, limits=limits)

    def send(
        self, request: Request, headers: dict[str, str], on_progress: Callable[[int], None] | None = None
    ) -> Response:
        """Send `request` once. `on_progress` receives the bytes of its body sent so far."""
        content = _CountedBody(request.body, on_progress)
        built = self._http.build_request(
            request.method,
            request.path,
            params=dict(request.query) or None,
            json=request.json,
            content=content if request.body else None,
            headers={**request.headers, **headers, **content.headers},
            timeout=self._timeouts(request),
        )
        begun, status = time.monotonic(), None
        try:
            response = self._http.send(built, stream=True)
            status = response.status_code
            try:
                return _received(request, response)
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            reason = one_line(str(error)) or type(error).__name__
            raise CvatUnreachable(reason, request=self._where(request), next_step="labelyard doctor") from error
        except httpx.TransportError as error:
            raise self._lost(request, error) from error
        except httpx.DecodingError as error:
            raise CvatDisagrees(f"the response cannot be decoded: {error}", request=str(request)) from error
        except Exception as error:
            if error is not content.failure:
                raise
            raise self._lost(request, error) from error  # reading a file failed after half of the body was sent
        finally:
            count_cvat_response(self.url, request.method, status, time.monotonic() - begun)

    def _lost(self, request: Request, error: Exception) -> CvatError:
        reason = f"{type(error).__name__} {one_line(str(error))}".strip()
        if request.method == "GET":
            return CvatUnreachable(f"no response: {reason}", request=self._where(request))
        return UnclearAnswer(f"the server may have done it or not: {reason}", request=self._where(request))

    def _where(self, request: Request) -> str:
        return f"{request.method} {self.url}{request.path}"

    def _timeouts(self, request: Request) -> httpx.Timeout:
        default = self._http.timeout
        if request.timeout is None:
            return default
        return httpx.Timeout(default.connect, read=request.timeout, write=request.timeout, pool=default.pool)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class _CountedBody:
    """A body that reports the bytes sent; `failure` is the error that ended it halfway."""

    def __init__(self, body: Body | None, on_progress: Callable[[int], None] | None) -> None:
        self._body, self._on_progress = body, on_progress or (lambda _: None)
        self.failure: Exception | None = None

    @property
    def headers(self) -> dict[str, str]:
        if self._body is None:
            return {}
        return {"Content-Type": self._body.content_type, "Content-Length": str(self._body.length)}

    def __iter__(self) -> Iterator[bytes]:
        total = 0
        for chunk in self._chunks():
            yield chunk
            total += len(chunk)
            self._on_progress(total)

    def _chunks(self) -> Iterator[bytes]:
        try:
            yield from self._body.chunks() if self._body else ()
        except Exception as error:
            self.failure = error
            raise


def _received(request: Request, response: httpx.Response) -> Response:
    """Read a response; the body of a 200 goes to `request.save_to` if that is set."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    if request.save_to is not None and response.status_code == 200:
        with request.save_to.open("wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
        return Response(200, headers)
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_CONTENT_BYTES:
            raise CvatDisagrees(f"a response of more than {MAX_CONTENT_BYTES} bytes", request=str(request))
    return Response(response.status_code, headers, bytes(content))


def _origin(url: str) -> str:
    """Return scheme, host and port of a pasted URL, without its user, path and query."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"{redact(url)!r} is not the address of a CVAT; write it as http://cvat.example.com:8080")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
