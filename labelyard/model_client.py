"""Asking a model over HTTP. Its answers come from outside: they have a limit of time and one of size.

One deadline counts for all of it, from the name of the host to the last byte: a timeout of each read alone would let a
server that sends a byte a minute hold a batch for days. Only asyncio can interrupt a read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr

from labelyard.errors import NoPredictions, redact

T = TypeVar("T")

MAX_ANSWER_BYTES = 64 * 1024**2
"""The largest answer, and the most bytes of COCO files that are read for a batch."""

_ATTEMPTS, _PAUSE = 3, 2.0
_CONNECT_SECONDS = 10.0
_UNAVAILABLE = frozenset({429, 502, 503, 504})
_QUOTED = 200


def ask_model(address: str, token: SecretStr | None, body: Mapping[str, Any], to: Path, seconds: float) -> None:
    """POST `body` as JSON to a model, and write its answer to a file, within `seconds` in all.

    A model that is starting is asked again a few times; redirects are not followed. Raises NoPredictions.
    """
    asyncio.run(_within(seconds, address, _ask(address, token, body, to)))


def reach_model(address: str, token: SecretStr | None, seconds: float) -> int:
    """Return the status with which a model answers OPTIONS, which asks it for nothing. Raises NoPredictions."""
    return asyncio.run(_within(seconds, address, _status(address, token)))


async def _within(seconds: float, address: str, asking: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await asking
    except TimeoutError:
        raise NoPredictions(f"no answer within {seconds:.0f} s", where=redact(address)) from None


async def _ask(address: str, token: SecretStr | None, body: Mapping[str, Any], to: Path) -> None:
    async with _client(token) as http:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with http.stream("POST", address, json=body) as response:
                    if response.status_code not in _UNAVAILABLE or attempt == _ATTEMPTS:
                        await _receive(response, to)
                        return
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if attempt == _ATTEMPTS:
                    raise NoPredictions(f"no connection: {error}", where=redact(address)) from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                said = str(error) or type(error).__name__
                raise NoPredictions(f"the answer broke off: {said}", where=redact(address)) from error
            await asyncio.sleep(_PAUSE)


async def _receive(response: httpx.Response, to: Path) -> None:
    """Write the body of an answer to a file. Raises NoPredictions for any status but 200, and beyond the limit."""
    where = redact(str(response.url))
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise NoPredictions("its answer is compressed, and was asked for as it is", where=where)
    if response.status_code != 200:
        body = b""
        async for chunk in response.aiter_raw():
            body = (body + chunk)[:_QUOTED]
            if len(body) == _QUOTED:
                break
        said = body.decode("utf-8", "replace").strip().partition("\n")[0]
        raise NoPredictions(f"it answered {response.status_code}: {said}".rstrip(": "), where=where)
    received = 0
    with to.open("wb") as file:
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > MAX_ANSWER_BYTES:
                raise NoPredictions(f"its answer has more than {MAX_ANSWER_BYTES} bytes", where=where)
            file.write(chunk)


async def _status(address: str, token: SecretStr | None) -> int:
    async with _client(token) as http:
        try:
            async with http.stream("OPTIONS", address) as response:
                return response.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = str(error) or type(error).__name__
            raise NoPredictions(f"no answer: {said}", where=redact(address)) from error


def _client(token: SecretStr | None) -> httpx.AsyncClient:
    # Uncompressed: a small compressed body can become one of any size.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.get_secret_value()}"
    # Reads wait for as long as the one deadline allows.
    timeout = httpx.Timeout(None, connect=_CONNECT_SECONDS)
    return httpx.AsyncClient(headers=headers, timeout=timeout, follow_redirects=False)
