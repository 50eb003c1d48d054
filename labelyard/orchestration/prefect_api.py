"""Requests to Prefect's API over REST, for what must not wait for the import of Prefect."""

from __future__ import annotations

from typing import Any, Self

import httpx

from labelyard.errors import PrefectUnreachable
from labelyard.settings import Settings

_SECONDS = 10.0


def refuse_failed_login(settings: Settings, answer: httpx.Response, where: str) -> None:
    """Raise PrefectUnreachable with the variable to set if Prefect refuses the login of the settings."""
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        what, next_step = _refused_login(settings, answer.status_code)
        raise PrefectUnreachable(what, where=where, next_step=next_step)


def _refused_login(settings: Settings, status: int) -> tuple[str, str]:
    of_the_server = "PREFECT_API_AUTH_STRING to the value that the server has as PREFECT_SERVER_API_AUTH_STRING"
    used = next(iter(settings.prefect_variables()), "")
    if not used:
        return f"it requires a login ({status})", f"set {of_the_server}, or PREFECT_API_KEY for Prefect Cloud"
    if status == httpx.codes.FORBIDDEN:
        return f"it does not allow this to the login of {used} (403)", f"give that account the right, or change {used}"
    if used == "PREFECT_API_KEY":
        new_key = "set PREFECT_API_KEY to a key that is valid; a server of one's own needs PREFECT_API_AUTH_STRING"
        return f"it refuses PREFECT_API_KEY ({status})", new_key
    beside = " (it counts before PREFECT_API_KEY)" if settings.prefect_key() else ""
    return f"it refuses PREFECT_API_AUTH_STRING ({status})", f"set {of_the_server}{beside}"


class PrefectApi:
    """A connection to a Prefect server. Every method raises PrefectUnreachable."""

    def __init__(self, settings: Settings) -> None:
        self._api = settings.prefect_api_or_ours.rstrip("/")
        verify = self._api.startswith("https:")  # loading the certificates takes longer than the request
        self._http = httpx.Client(timeout=_SECONDS, headers=settings.prefect_login(), verify=verify)
        self._settings = settings

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
        refuse_failed_login(self._settings, answer, where)
        if answer.is_error and answer.status_code != httpx.codes.NOT_FOUND:
            what = f"{answer.status_code} {answer.text[:200]}"
            raise PrefectUnreachable(what, where=where, next_step="labelyard doctor")
        return answer
