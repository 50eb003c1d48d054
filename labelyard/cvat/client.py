"""The one runner: it drives a dialect's generators over HTTP, and is all of labelyard that speaks to CVAT.

What may be repeated is repeated here, a few times; every wait has a deadline; what went wrong becomes an error of
`labelyard.errors`. Beyond that it knows nothing of CVAT: paths and meanings are the dialect's.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import httpx
import stamina
from pydantic import SecretStr

from labelyard.cvat.dialect import Dialect
from labelyard.cvat.refusals import BUSY, one_line, refusal
from labelyard.cvat.wire import WAITED, Answer, Body, Pause, Request, Steps
from labelyard.errors import (
    CvatBusy,
    CvatDisagrees,
    CvatError,
    CvatTimeout,
    CvatUnauthorized,
    CvatUnreachable,
    InputError,
    UnclearAnswer,
    redact,
)

T = TypeVar("T")

ATTEMPTS = 4
"""How often a request is sent that may be sent again."""

LONGEST_WAIT = 60.0
"""Seconds of Retry-After that are waited for here; a longer one is the caller's, as CvatBusy.after."""

LARGEST_ANSWER = 512 * 1024**2
"""Bytes of an answer that is read into memory."""


class Clock(Protocol):
    """Time as the runner needs it; the module `time` is one."""

    def monotonic(self) -> float:
        """Seconds that only grow."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class Login:
    """A token, or the name and password to get one with; at most one login while it works."""

    def __init__(self, username: str | None, password: SecretStr | None, token: SecretStr | None) -> None:
        self._username, self._password = username, password
        self._token = token.get_secret_value() if token else None
        self._lock = threading.Lock()

    def token(self, log_in: Callable[[str, str], str], stale: str | None = None) -> str | None:
        """The token, fetched at the first call, and anew when the server no longer takes `stale`; None: anonymous."""
        with self._lock:
            if self._token in (None, stale) and self._username and self._password:
                self._token = log_in(self._username, self._password.get_secret_value())
            return self._token

    def forget(self) -> None:
        """The token is no more: the next request logs in again."""
        with self._lock:
            self._token = None


class Client:
    """A CVAT server, spoken to in the first dialect of `families` that it knows. May be shared by threads.

    Nothing is sent before the first verb; that one also finds out the family, logs in, and asks for the version.
    """

    def __init__(self, url: str, login: Login, families: Sequence[Dialect], *, clock: Clock, timeout: float) -> None:
        self.url = _origin(url)
        self.login, self._families, self._clock = login, families, clock
        self._family: Dialect | None = families[0] if len(families) == 1 else None
        self._dialect: Dialect | None = None
        self._finding_out = threading.RLock()
        # No cookies: a second login with the first one's session is refused as a forgery (403 CSRF).
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        # Idle connections are dropped before gunicorn does it (2 s): a POST that meets a closed one has no answer.
        limits = httpx.Limits(max_connections=32, keepalive_expiry=1.0)
        timeouts = httpx.Timeout(timeout, connect=min(timeout, 10.0))
        self._http = httpx.Client(base_url=self.url, cookies=no_cookies, timeout=timeouts, limits=limits)

    # --- the runner --------------------------------------------------------------------------------------------------

    def run(self, steps: Steps[T], *, deadline: float = math.inf, sent: Callable[[int], None] | None = None) -> T:
        """Drive a verb to its value. Raises CvatTimeout, saying what was last seen, after `deadline` seconds."""
        end = self._clock.monotonic() + deadline
        try:
            step, asked = next(steps), ""
            while True:
                if isinstance(step, Request):
                    asked = str(step)
                    step = self._exchanged(steps, step, sent, end)
                    continue
                if self._clock.monotonic() + step.seconds > end:
                    raise CvatTimeout(f"not done after {deadline:g} s; last seen: {step.seen}", request=asked)
                self._clock.sleep(step.seconds)
                step = steps.send(WAITED)
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            steps.close()

    def _exchanged(
        self, steps: Steps[T], request: Request, sent: Callable[[int], None] | None, end: float
    ) -> Request | Pause:
        """What the dialect wants after the answer to `request`, or after its failure, of which it may make more."""
        try:
            answer = self._send(request, sent, end - self._clock.monotonic())
        except CvatError as error:
            return steps.throw(error)
        return steps.send(answer)

    def token(self) -> SecretStr:
        """The token of this client. Raises CvatUnauthorized where there is none and nothing to get one with."""
        _ = self.family  # found out before the login's lock is taken: another thread may hold them the other way round
        token = self.login.token(self._log_in)
        if token is None:
            raise CvatUnauthorized("neither a token nor a user name and password were given", where=self.url)
        return SecretStr(token)

    def _send(self, request: Request, sent: Callable[[int], None] | None, seconds: float) -> Answer:
        """The last answer to `request`, which is sent again as often as is safe, for no longer than `seconds`."""
        timeout = None if seconds == math.inf else max(seconds, 0.0)
        for attempt in stamina.retry_context(on=_again(request), attempts=ATTEMPTS, timeout=timeout, wait_max=5.0):
            with attempt:
                answer = self._authorized(request, sent)
                if answer.status in BUSY and request.repeatable:
                    raise refusal(str(request), answer)
                return answer
        raise AssertionError("the last attempt returns or raises")

    def _authorized(self, request: Request, sent: Callable[[int], None] | None) -> Answer:
        """Send with the token; with a new one if the old is no longer known: somebody may have logged its user out."""
        if request.anonymous:
            return self._exchange(request, {}, sent)
        token = self.login.token(self._log_in)
        answer = self._exchange(request, self._shown(token), sent)
        if answer.status != 401:
            return answer
        renewed = self.login.token(self._log_in, stale=token)
        return answer if renewed == token else self._exchange(request, self._shown(renewed), sent)

    def _log_in(self, username: str, password: str) -> str:
        try:
            return self.run((self._dialect or self.family).login(username, password))
        except CvatUnauthorized as refused:  # whoever has several servers and accounts must know which one it was
            refused.where, refused.next_step = f"login at {self.url}", "labelyard doctor"
            raise

    def _shown(self, token: str | None) -> dict[str, str]:
        return {"Authorization": self.family.authorization(token)} if token else {}

    def _exchange(self, request: Request, headers: dict[str, str], sent: Callable[[int], None] | None) -> Answer:
        """One request over HTTP; httpx's failures as what they mean for the server's state."""
        out = _Outgoing(request.body, sent)
        built = self._http.build_request(
            request.method,
            request.path,
            params=dict(request.query) or None,
            json=request.json,
            content=out if request.body else None,
            headers=headers | out.headers,
            timeout=self._timeouts(request),
        )
        try:
            response = self._http.send(built, stream=True)
            try:
                return _received(request, response)
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise CvatUnreachable(
                one_line(str(error)) or type(error).__name__, request=self._place(request), next_step="labelyard doctor"
            ) from error
        except httpx.TransportError as error:
            raise self._lost(request, error) from error
        except httpx.DecodingError as error:
            raise CvatDisagrees(f"an answer that cannot be read: {error}", request=str(request)) from error
        except Exception as error:
            if error is not out.failure:
                raise
            raise self._lost(request, error) from error  # the file broke, and half a body has gone out

    def _lost(self, request: Request, error: Exception) -> CvatError:
        said = f"{type(error).__name__} {one_line(str(error))}".strip()
        if request.method == "GET":
            return CvatUnreachable(f"the answer never came: {said}", request=self._place(request))
        return UnclearAnswer(f"it may have been done or not: {said}", request=self._place(request))

    def _place(self, request: Request) -> str:
        return f"{request.method} {self.url}{request.path}"

    def _timeouts(self, request: Request) -> httpx.Timeout:
        usual = self._http.timeout
        if request.patience is None:
            return usual
        return httpx.Timeout(usual.connect, read=request.patience, write=request.patience, pool=usual.pool)

    @property
    def family(self) -> Dialect:
        """The dialect of this server's family; asked of the server where several come into question."""
        if self._family is None:
            with self._finding_out:
                self._family = self._family or self.run(_probe(self._families, self.url))
        return self._family

    @property
    def dialect(self) -> Dialect:
        """The same with the quirks of this very server, which its version tells."""
        if self._dialect is None:
            with self._finding_out:
                self._dialect = self._dialect or self.family.for_server(self.run(self.family.about()))
        return self._dialect

    def close(self) -> None:
        """Close the connections; the token stays good."""
        self._http.close()


def _probe(families: Sequence[Dialect], url: str) -> Steps[Dialect]:
    """The first family whose probe the server knows, with or without a token.

    Raises CvatCrashed where a server in trouble cannot tell; CvatUnreachable where something else answers, as a proxy
    does while CVAT is installed anew.
    """
    for dialect in families:
        answer = yield dialect.probe
        if answer.status >= 500:
            raise refusal(str(dialect.probe), answer)
        if answer.status in {200, 401, 403} and "json" in answer.headers.get("content-type", ""):
            return dialect
    raise CvatUnreachable(
        "is not a CVAT that labelyard knows", where=url, next_step="check its address in the settings"
    )


class _Outgoing:
    """A body on its way, counted; `failure` is what broke it off after it had begun."""

    def __init__(self, body: Body | None, sent: Callable[[int], None] | None) -> None:
        self._body, self._sent = body, sent or (lambda _: None)
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
            self._sent(total)

    def _chunks(self) -> Iterator[bytes]:
        try:
            yield from self._body.chunks() if self._body else ()
        except Exception as error:
            self.failure = error
            raise


def _again(request: Request) -> Callable[[Exception], bool | float]:
    """Whether, and after how many seconds, `request` may be sent again after a failure."""

    def hook(error: Exception) -> bool | float:
        if isinstance(error, CvatBusy):
            return request.repeatable and error.after <= LONGEST_WAIT and (error.after or True)
        if isinstance(error, CvatUnreachable):
            return True
        return isinstance(error, UnclearAnswer) and request.repeatable

    return hook


def _received(request: Request, response: httpx.Response) -> Answer:
    """The answer; a 200's body goes to disk where the request says so."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    if request.save_to is not None and response.status_code == 200:
        with request.save_to.open("wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
        return Answer(200, headers)
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > LARGEST_ANSWER:
            raise CvatDisagrees(f"an answer of more than {LARGEST_ANSWER} bytes", request=str(request))
    return Answer(response.status_code, headers, bytes(content))


def _origin(url: str) -> str:
    """Scheme and address of a server, from what people paste: a path or a slash at the end is cut."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"{redact(url)!r} is not the address of a CVAT; write it as http://cvat.example.com:8080")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
