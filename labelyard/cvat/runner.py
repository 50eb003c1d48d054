"""The runner of exchanges: it sends a dialect's requests, retries what is safe to repeat, and keeps deadlines.

It knows nothing of CVAT's paths and meanings, which belong to the dialects.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import stamina
from pydantic import SecretStr

from labelyard.cvat.credentials import Credentials
from labelyard.cvat.dialect import Dialect
from labelyard.cvat.error_responses import BUSY, error_for
from labelyard.cvat.exchange import PAUSED, Exchange, Pause, Request, Response
from labelyard.cvat.transport import HttpTransport
from labelyard.errors import (
    CvatBusy,
    CvatError,
    CvatNotFound,
    CvatTimeout,
    CvatUnauthorized,
    CvatUnreachable,
    SettingsError,
    UnclearAnswer,
)

T = TypeVar("T")

ATTEMPTS = 4
"""How often a request is sent that is safe to repeat."""

MAX_RETRY_AFTER = 60.0
"""Seconds of Retry-After that the runner waits; the caller gets a longer one as CvatBusy.after."""


_NO_ORGANIZATION = "organization does not exist"
_ADD_ORGANIZATION = "create it in CVAT, or correct `organization` in the settings or in `cvat` of the dataset file"


class Clock(Protocol):
    """The time for deadlines; the module `time` is one."""

    def monotonic(self) -> float:
        """Seconds that only increase."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class Runner:
    """Runs exchanges on one server, in the first dialect of `families` that it knows. May be shared by threads.

    Nothing is sent before the first verb, which also detects the dialect, logs in, and reads the server's version.
    """

    def __init__(
        self,
        transport: HttpTransport,
        credentials: Credentials,
        families: Sequence[Dialect],
        clock: Clock,
        organization: str = "",
    ) -> None:
        self.transport, self.credentials, self.organization = transport, credentials, organization
        self._families, self._clock = families, clock
        self._family: Dialect | None = families[0] if len(families) == 1 else None
        self._dialect: Dialect | None = None
        self._detection = threading.RLock()

    @property
    def family(self) -> Dialect:
        """The dialect of this server's family; the server is probed if there are several."""
        if self._family is None:
            with self._detection:
                self._family = self._family or self.run(_detect(self._families, self.transport.url))
        return self._family

    @property
    def dialect(self) -> Dialect:
        """The family's dialect with the quirks of this server's version."""
        if self._dialect is None:
            with self._detection:
                self._dialect = self._dialect or self.family.for_server(self.run(self.family.about()))
        if self.organization and not self._dialect.quirks.organizations:
            raise SettingsError(
                f"this CVAT has no organizations, and {self.organization!r} is set",
                where=self.transport.url,
                next_step="remove `organization` from the settings and the dataset file, or use a CVAT 2.x",
            )
        return self._dialect

    def in_organization(self, slug: str) -> Runner:
        """Return a runner with the same session and connections for an organization."""
        runner = Runner(self.transport, self.credentials, self._families, self._clock, slug)
        runner._family, runner._dialect = self._family, self._dialect
        return runner

    def token(self) -> SecretStr:
        """Return this client's token. Raises CvatUnauthorized if it has neither a token nor a password."""
        _ = self.family  # detected before the credentials' lock: another thread may take the locks in reverse order
        token = self.credentials.token(self._log_in)
        if token is None:
            raise CvatUnauthorized("neither a token nor a user name and password were given", where=self.transport.url)
        return SecretStr(token)

    def run(
        self, exchange: Exchange[T], *, deadline: float = math.inf, on_progress: Callable[[int], None] | None = None
    ) -> T:
        """Run a verb and return its value. Raises CvatTimeout with the last status after `deadline` seconds."""
        end = self._clock.monotonic() + deadline
        try:
            step, last_request = next(exchange), ""
            while True:
                if isinstance(step, Request):
                    last_request = str(step)
                    step = self._respond(exchange, step, on_progress, end)
                    continue
                if self._clock.monotonic() + step.seconds > end:
                    timeout = f"not done after {deadline:g} s; last seen: {step.last_seen}"
                    raise CvatTimeout(timeout, request=last_request)
                self._clock.sleep(step.seconds)
                step = exchange.send(PAUSED)
        except StopIteration as done:
            value: T = done.value
            return value
        except CvatError as error:
            if self.organization:
                self._name_organization(error)
            raise
        finally:
            exchange.close()

    def _respond(
        self, exchange: Exchange[T], request: Request, on_progress: Callable[[int], None] | None, end: float
    ) -> Request | Pause:
        """Send `request`; pass its response or its error to the exchange, and return the next step."""
        try:
            response = self._send_with_retries(request, on_progress, end - self._clock.monotonic())
        except CvatError as error:
            self._forget_version()
            return exchange.throw(error)
        if response.status >= 500 or _is_unknown_endpoint(response):
            self._forget_version()
        return exchange.send(response)

    def _forget_version(self) -> None:
        """Detect the server's family and version again at the next verb: it may come back upgraded."""
        with self._detection:
            self._dialect = None
            if len(self._families) > 1:
                self._family = None

    def _send_with_retries(
        self, request: Request, on_progress: Callable[[int], None] | None, seconds: float
    ) -> Response:
        """Send `request`, again if that is safe, for at most `seconds`; return the last response.

        Without any time left it is sent once.
        """
        attempts, timeout = (ATTEMPTS, None if seconds == math.inf else seconds) if seconds > 0 else (1, None)
        for attempt in stamina.retry_context(on=_may_retry(request), attempts=attempts, timeout=timeout, wait_max=5.0):
            with attempt:
                response = self._send_authorized(request, on_progress)
                if response.status in BUSY and request.idempotent:
                    raise error_for(str(request), response)
                return response
        raise AssertionError("the last attempt returns or raises")

    def _send_authorized(self, request: Request, on_progress: Callable[[int], None] | None) -> Response:
        """Send with the token; with a new one if the server rejects it: another client may have logged the user out."""
        if request.anonymous:
            return self.transport.send(request, {}, on_progress)
        token = self.credentials.token(self._log_in)
        response = self.transport.send(request, self._headers(request, token), on_progress)
        if response.status != 401:
            return response
        renewed = self.credentials.token(self._log_in, stale=token)
        if renewed == token:
            return response
        return self.transport.send(request, self._headers(request, renewed), on_progress)

    def _headers(self, request: Request, token: str | None) -> dict[str, str]:
        headers = {"Authorization": self.family.authorization(token)} if token else {}
        # An empty name means the account's own space; without the header lists hold all organizations [2.73 0799-0801].
        named = self.organization or request.of_space
        return headers | {"X-Organization": self.organization} if named else headers

    def _name_organization(self, error: CvatError) -> None:
        """Add the organization to an error. Raises CvatUnauthorized if there is none of this name [2.73 0791]."""
        if isinstance(error, CvatNotFound) and _NO_ORGANIZATION in error.what:
            what = f"there is no organization {self.organization!r}"
            raise CvatUnauthorized(what, where=self.transport.url, status=404, next_step=_ADD_ORGANIZATION) from error
        name = f"organization {self.organization}"
        if name not in error.where:
            error.where = f"{error.where}, {name}" if error.where else name

    def _log_in(self, username: str, password: str) -> str:
        try:
            return self.run((self._dialect or self.family).login(username, password))
        except CvatUnauthorized as error:  # with several servers and accounts, the error must name the failed one
            error.where, error.next_step = f"login at {self.transport.url}", "labelyard doctor"
            raise


def _detect(families: Sequence[Dialect], url: str) -> Exchange[Dialect]:
    """Return the first family whose probe the server knows, with or without a token.

    Raises CvatCrashed if the server answers 5xx; CvatUnreachable if it is not a CVAT, such as a proxy's page during a
    deployment.
    """
    for dialect in families:
        response = yield dialect.probe
        if response.status >= 500:
            raise error_for(str(dialect.probe), response)
        if response.status in {200, 401, 403} and "json" in response.headers.get("content-type", ""):
            return dialect
    raise CvatUnreachable(
        "is not a CVAT that labelyard knows", where=url, next_step="check its address in the settings"
    )


def _is_unknown_endpoint(response: Response) -> bool:
    """Whether the server has no such endpoint: 404 is JSON where a task or a job is missing."""
    return response.status == 404 and "json" not in response.headers.get("content-type", "")


def _may_retry(request: Request) -> Callable[[Exception], bool | float]:
    """Return the predicate of errors after which `request` is sent again: no, yes, or after so many seconds."""

    def predicate(error: Exception) -> bool | float:
        if isinstance(error, CvatBusy):
            return request.idempotent and error.after <= MAX_RETRY_AFTER and (error.after or True)
        if isinstance(error, CvatUnreachable):
            return True
        return isinstance(error, UnclearAnswer) and request.idempotent

    return predicate
