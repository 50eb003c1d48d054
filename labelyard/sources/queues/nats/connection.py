"""A connection to NATS for code without asyncio: it runs on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.errors import Error, NoRespondersError, NoServersError, SecureConnWantedError
from nats.js.errors import APIError

from labelyard.errors import SettingsError, StoreError, StoreUnauthorized, StoreUnreachable
from labelyard.metrics import count_store_response
from labelyard.sources.queues.nats.credentials import Credentials
from labelyard.watch_settings import NatsSettings

ANSWER_SECONDS = 5.0
"""How long a request waits for its answer."""
_CONNECT_SECONDS = 5
_PING_SECONDS = 20
_API = "$JS.API"
_START = "start NATS, or correct LABELYARD_WATCH__QUEUE_URL"
_MISSING = "`labelyard notifications DATASET --apply` creates the stream and the consumer of LABELYARD_WATCH__NATS"
_LOGIN = "correct LABELYARD_WATCH__NATS__USERNAME and __PASSWORD, __TOKEN or __CREDENTIALS_FILE"
_ALLOW = (
    "let this account publish to $JS.API.> and $JS.ACK.>, and subscribe to _INBOX.>"
    " (LABELYARD_WATCH__NATS__STREAM and __CONSUMER name the stream and the consumer)"
)
_NO_JETSTREAM = "enable JetStream on the server (nats-server -js) and for this account"
_CLOSED = "the connection is closed"
_OF_LOGIN = ("authorization", "authentication")
_T = TypeVar("_T")


class NatsConnection:
    """A connection that is made when it is needed, again after it was lost. Threads may share it."""

    def __init__(self, url: str, options: NatsSettings) -> None:
        self.url, self._servers, self._options = url, _servers(url), options
        self._credentials = Credentials(options.credentials_file) if options.credentials_file else None
        self._needs_tls = url.startswith("tls://")
        self._client: Client | None = None
        self._problem: Exception | None = None
        self._connecting = asyncio.Lock()
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def run(self, work: Callable[[Client], Awaitable[_T]], seconds: float) -> _T:
        """Return what `work` returns; it takes up to `seconds`, and connecting some more.

        Raises StoreUnreachable if a later attempt may succeed, else StoreError.
        """
        with nats_errors(self.url):
            loop = self._running_loop()
            found = asyncio.run_coroutine_threadsafe(self._run(work, seconds), loop).result()
        count_store_response("nats", 200)
        return found

    def close(self) -> None:
        """End the connection and its thread."""
        with self._starting:
            loop, self._loop, self._closed = self._loop, None, True
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._drop(), loop).result()
            loop.call_soon_threadsafe(loop.stop)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._closed:
                raise ConnectionError(_CLOSED)
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run_loop, args=(self._loop,), name="nats", daemon=True).start()
            return self._loop

    async def _run(self, work: Callable[[Client], Awaitable[_T]], seconds: float) -> _T:
        client = await self._connected()
        try:
            async with asyncio.timeout(seconds):
                return await work(client)
        except TimeoutError:
            problem = self._problem
            await self._drop()  # it may be half open, which only a new connection shows
            raise problem or TimeoutError(f"no answer for {seconds:g} s") from None

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None or not self._client.is_connected:
                await self._drop()
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> Client:
        client, self._problem = Client(), None
        try:
            await client.connect(
                self._servers,
                name="labelyard",
                error_cb=self._note,
                allow_reconnect=False,  # so that an outage is known at once; the next request connects again
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=_CONNECT_SECONDS,
                ping_interval=_PING_SECONDS,
                **self._login(client),
            )
            self._require_tls(client)
        except BaseException as error:
            await _close(client)
            if isinstance(error, NoServersError) and self._problem is not None:
                raise self._problem from error  # why the last of them did not answer
            raise
        self._problem = None
        return client

    def _login(self, client: Client) -> dict[str, Any]:
        """Return the account for `connect`. A secret is only revealed when the connection is as the URL wants it."""

        def user() -> str:
            self._require_tls(client)
            return self._options.username or ""

        def password() -> str:
            assert self._options.password is not None, "the settings require it beside a user name"
            return self._options.password.get_secret_value()

        def token() -> str:
            self._require_tls(client)
            assert self._options.token is not None, "asked for only with a token"
            return self._options.token.get_secret_value()

        if self._credentials:
            return {"user_jwt_cb": self._credentials.jwt, "signature_cb": self._credentials.sign}
        if self._options.username:
            return {"user": user, "password": password}
        return {"token": token} if self._options.token else {}

    def _require_tls(self, client: Client) -> None:
        # The client takes tls:// as a wish: it sends everything in the clear to a server that does not require TLS.
        if self._needs_tls and not client._server_info.get("tls_required"):  # noqa: SLF001 - nothing public says it
            raise SecureConnWantedError

    async def _note(self, error: Exception) -> None:
        """Remember a problem that the server reports apart from any answer, such as a missing permission."""
        self._problem = error

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await _close(client)


async def call_api(client: Client, subject: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what JetStream's API answers to a request. Raises APIError."""
    payload = json.dumps(request).encode() if request is not None else b""
    answer = await client.request(f"{_API}.{subject}", payload, timeout=ANSWER_SECONDS)
    found: dict[str, Any] = json.loads(answer.data)
    if "error" in found:
        names = subject.split(".", 2)[-1]
        error = found["error"]
        raise APIError(int(error.get("code", 0)), f"{error.get('description', 'an error')} ({names})")
    return found


@contextmanager
def nats_errors(where: str) -> Iterator[None]:
    """Raise the client's errors, and those of JetStream's API, as labelyard's."""
    try:
        yield
    except APIError as error:
        count_store_response("nats", error.code)
        raise _of_api(error, where) from error
    except NoRespondersError as error:
        count_store_response("nats", 503)
        raise StoreUnreachable("JetStream does not answer", where=where, next_step=_NO_JETSTREAM) from error
    except ssl.SSLError as error:
        next_step = "check the address in LABELYARD_WATCH__QUEUE_URL and the server's certificate (SSL_CERT_FILE)"
        raise StoreError(_one_line(error), where=where, next_step=next_step) from error
    except SecureConnWantedError as error:
        next_step = "let the server require TLS, or write nats:// in LABELYARD_WATCH__QUEUE_URL"
        raise StoreError("the server does not require TLS", where=where, next_step=next_step) from error
    except CancelledError as error:  # by `close`, in another thread
        raise StoreUnreachable(_CLOSED, where=where) from error
    except (Error, OSError) as error:  # OSError: also TimeoutError
        count_store_response("nats", None)
        raise _of_connection(_one_line(error), where) from error


def _of_api(error: APIError, where: str) -> StoreError:
    code, what = error.code or 0, error.description or "an error"
    if code == 404:
        return StoreError(what, where=where, next_step=_MISSING)
    if code >= 500 or code == 429:
        return StoreUnreachable(what, where=where, next_step=_NO_JETSTREAM)
    return StoreError(what, where=where, next_step="labelyard doctor")


def _of_connection(what: str, where: str) -> StoreError:
    if "permissions violation" in what.lower():
        return StoreError(what, where=where, next_step=_ALLOW)
    if any(words in what.lower() for words in _OF_LOGIN):
        return StoreUnauthorized(what, where=where, next_step=_LOGIN)
    return StoreUnreachable(what, where=where, next_step=_START)


def _servers(url: str) -> list[str]:
    """Return the addresses of a URL. Raises SettingsError."""
    servers = [server.strip() for server in url.split(",")]
    parts = [urlsplit(server) for server in servers]
    if any(part.username or part.password for part in parts):
        raise SettingsError(
            "LABELYARD_WATCH__QUEUE_URL has a user, which logs and pages would show",
            next_step="write it as LABELYARD_WATCH__NATS__USERNAME and __PASSWORD, or __TOKEN",
        )
    if len({part.scheme for part in parts}) > 1 or not all(_is_address(server) for server in servers):
        raise SettingsError(
            f"{url} are no addresses of NATS",
            next_step="write LABELYARD_WATCH__QUEUE_URL as nats://HOST:4222, all servers of a cluster with one scheme",
        )
    return servers


def _is_address(server: str) -> bool:
    part = urlsplit(server)
    with suppress(ValueError):
        return bool(part.hostname) and part.port != 0 and part.path in ("", "/") and not (part.query or part.fragment)
    return False


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:  # at its end it cancels what is left
        runner.get_loop().run_forever()


async def _close(client: Client) -> None:
    with suppress(Exception):  # a connection that is lost cannot be closed well
        async with asyncio.timeout(1):
            await client.close()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).removeprefix("nats: ").split())[:500] or type(error).__name__
