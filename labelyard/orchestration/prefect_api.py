"""Requests to Prefect's API over REST, for what must not wait for the import of Prefect."""

from __future__ import annotations

from typing import Any, Self

import httpx

from labelyard.errors import PrefectUnreachable
from labelyard.settings import Settings

_SECONDS = 10.0


class PrefectApi:
    """A connection to a Prefect server. Every method raises PrefectUnreachable."""

    def __init__(self, settings: Settings) -> None:
        self._api = settings.prefect_api_or_ours.rstrip("/")
        verify = self._api.startswith("https:")  # loading the certificates takes longer than the request
        self._http = httpx.Client(timeout=_SECONDS, auth=settings.prefect_auth(), verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the JSON value of the response."""
        return self.request(method, path, body).json()

    def request(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Return the response, whose status may be 404."""
        where = f"{self._api}/{path}"
        try:
            answer = self._http.request(method, where, json=body)
        except httpx.HTTPError as error:
            raise PrefectUnreachable(f"no answer: {error}", where=where, next_step="labelyard doctor") from error
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise PrefectUnreachable("it requires a login", where=where, next_step="set PREFECT_API_AUTH_STRING")
        if answer.is_error and answer.status_code != httpx.codes.NOT_FOUND:
            what = f"{answer.status_code} {answer.text[:200]}"
            raise PrefectUnreachable(what, where=where, next_step="labelyard doctor")
        return answer
